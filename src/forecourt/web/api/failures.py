"""Failed calls: listed one by one and by kind, retried and forgotten."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Le
from psycopg import Connection

from forecourt.masking import hide
from forecourt.store import definitions, failed, failure_kinds
from forecourt.store.failed import FailedCall, Filter
from forecourt.store.failure_kinds import Kind
from forecourt.web.api.errors import NotFound, Unreadable
from forecourt.web.api.parameters import A_PAGE, Error, Ids, Limit, Name
from forecourt.web.searching import LARGEST_ID

if TYPE_CHECKING:
    from forecourt.app import Forecourt
    from forecourt.operations.failures import Action

MOST_IDS = 10_000


@dataclass(frozen=True, slots=True)
class Chosen:
    """The ids of failed calls, in order. `next` is what `after` has to be for more; None when these
    are the last.
    """

    ids: list[int]
    next: int | None


@dataclass(frozen=True, slots=True)
class Acted:
    """How many calls were changed, and how many stay as they are: somebody else took them, or
    another call with the same unique key lives. `call`: the call that does it in the background,
    when there are many; then `changed` is how many it will try."""

    changed: int
    stayed: int
    call: int | None = None


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


def choose(
    tx: Connection[Any],
    *,
    ids: Ids | None = None,
    queue: Name | None = None,
    job: Name | None = None,
    error: Error | None = None,
    since: datetime | None = None,
    older_than: Annotated[float, Ge(0), Le(3.2e9)] | None = None,
    after: Annotated[int, Ge(0), Le(LARGEST_ID)] = 0,
) -> Chosen:
    """The ids of the failed calls that fit all that is given, or of all. `older_than`: seconds
    since they failed, at least.
    """
    age = None if older_than is None else timedelta(seconds=older_than)
    chosen = Filter(ids=ids, queue=queue, job=job, error=error, since=since, older_than=age)
    few = failed.selected(tx, chosen, after=after, limit=MOST_IDS + 1)
    return Chosen(few[:MOST_IDS], few[MOST_IDS - 1] if len(few) > MOST_IDS else None)


def retry(tx: Connection[Any], *, who: str, ids: Ids) -> Acted:
    """Give failed calls all their tries again."""
    return _act(tx, "retry", ids, who)


def forget(tx: Connection[Any], *, who: str, ids: Ids) -> Acted:
    """Remove failed calls for good."""
    return _act(tx, "forget", ids, who)


def retry_matching(
    tx: Connection[Any],
    *,
    who: str,
    app: "Forecourt",
    queue: Name | None = None,
    job: Name | None = None,
    error: Error | None = None,
    since: datetime | None = None,
) -> Acted:
    """Give all failed calls that fit all that is given their tries again: up to a thousand at once,
    more by a call in the background, whose progress shows."""
    return _matching(tx, "retry", Filter(queue=queue, job=job, error=error, since=since), who, app)


def forget_matching(
    tx: Connection[Any],
    *,
    who: str,
    app: "Forecourt",
    queue: Name | None = None,
    job: Name | None = None,
    error: Error | None = None,
    since: datetime | None = None,
) -> Acted:
    """Remove all failed calls that fit all that is given: up to a thousand at once, more by a call
    in the background.
    """
    return _matching(tx, "forget", Filter(queue=queue, job=job, error=error, since=since), who, app)


def _act(tx: Connection[Any], action: "Action", ids: list[int], who: str) -> Acted:
    from forecourt.operations import failures

    count = failures.act(tx, action, sorted(set(ids)), who=who)
    return Acted(count, len(set(ids)) - count)


def _matching(tx: Connection[Any], action: "Action", chosen: Filter, who: str, app: "Forecourt") -> Acted:
    from forecourt.operations import bulk
    from forecourt.operations.failures import PORTION

    if chosen == Filter():
        raise Unreadable("give a queue, a job, an error or since: to act on every failed call, name them by their ids")
    ids = failed.selected(tx, chosen)
    if not ids:
        raise NotFound("no failed call fits")
    if len(ids) <= PORTION:
        return _act(tx, action, ids, who)
    call = bulk.start(tx, action, chosen, who=who, queue=bulk.least_urgent(tx, app.queues), count=len(ids))
    return Acted(len(ids), 0, call.id)
