"""Failed calls: listed one by one and by kind, retried and forgotten."""

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from psycopg import Connection

from forecourt.masking import hide
from forecourt.store import definitions, failed, failure_kinds
from forecourt.store.failed import FailedCall
from forecourt.store.failure_kinds import Kind
from forecourt.web.api.matching import Acted
from forecourt.web.api.parameters import A_PAGE, Error, Ids, Limit, Name

if TYPE_CHECKING:
    from forecourt.operations.calls import Action


def kinds(
    tx: Connection[Any], *, queue: Name | None = None, since: datetime | None = None, limit: A_PAGE = 50
) -> list[Kind]:
    """Failed calls by error and job, what failed last first, among the latest 100,000."""
    return list(failure_kinds.kinds(tx, queue=queue, since=since, limit=limit))


def listed(
    tx: Connection[Any],
    *,
    queue: Name | None = None,
    job: Name | None = None,
    error: Error | None = None,
    limit: Limit = 100,
) -> list[FailedCall]:
    """The calls that failed for good, newest first, with every attempt."""
    found = failed.listed(tx, queue=queue, job=job, error=error, limit=limit)
    masks = definitions.masks(tx)
    return [replace(call, args=hide(call.args, masks.get(call.job, ()))) for call in found]


def retry(tx: Connection[Any], *, who: str, ids: Ids) -> Acted:
    """Give failed calls all their tries again."""
    return _act(tx, "retry", ids, who)


def forget(tx: Connection[Any], *, who: str, ids: Ids) -> Acted:
    """Remove failed calls for good."""
    return _act(tx, "forget", ids, who)


def _act(tx: Connection[Any], action: "Action", ids: list[int], who: str) -> Acted:
    from forecourt.operations import calls

    count = calls.act(tx, action, "failed", sorted(set(ids)), who=who)
    return Acted(count, len(set(ids)) - count)
