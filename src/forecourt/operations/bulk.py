"""One action on all calls that fit a search: few at once, many by a call that does it on a worker,
with progress.

That call begins after a moment. Until then cancelling it takes all of it back, and nothing else
could: a call that was cancelled or forgotten cannot be given back.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection

from forecourt.database import engine, in_transaction_of
from forecourt.jobs.job import job
from forecourt.jobs.progress import report
from forecourt.operations import calls
from forecourt.operations.calls import PORTION, POSSIBLE, Action
from forecourt.store import activity, audit, json_text, matching
from forecourt.store.search import LARGEST_ID, Search

SILENT = 30.0
"""Seconds since a worker's last heartbeat, until it does not count."""

UNDO = 10
"""Seconds until a call begins that acts on others."""


class NothingFits(LookupError):
    """No call fits what was asked for; nothing was changed."""


class CannotBe(ValueError):
    """What was asked cannot be done with calls of this state."""


class Acted(NamedTuple):
    """How many calls were `found`, and how many of them `changed`; or `call`, which does it in the
    background, when they are many.
    """

    found: int
    changed: int
    call: int | None = None


@job(name="forecourt.act_on_calls", tries=3, backoff=10, timeout=3600)
def act_on_calls(action: Action, chosen: dict[str, Any], upto: int, total: int, who: str) -> dict[str, int]:
    """Do this with all calls that fit. Begun again after a crash it does the rest."""
    search = _search(chosen)
    after = seen = changed = 0
    while True:
        with _transaction() as tx:
            ids = matching.ids(tx, search, after=after, upto=upto, limit=PORTION)
            if not ids:
                return {"changed": changed, "stayed": seen - changed}
            changed += calls.act(tx, action, search.state, ids, who=who)
        after, seen = ids[-1], seen + len(ids)
        report(min(seen, total), total, f"{action}: {changed:,} calls")


def act(
    tx: Connection[Any], action: Action, search: Search, *, who: str, queues: Sequence[str], upto: int = LARGEST_ID
) -> Acted:
    """Do this with all calls that fit, however old, and that were entered before: up to `upto`, or
    until now. `queues`: those that the application knows. Raises NothingFits and CannotBe."""
    search = replace(search, at=None, id=None)
    if action not in POSSIBLE[search.state]:
        possible = " and ".join(POSSIBLE[search.state]) or "nothing"
        raise CannotBe(f"{action} is not for calls that are {search.state}: with these one can {possible}")
    upto = min(upto, matching.latest(tx))
    ids = matching.ids(tx, search, upto=upto, limit=PORTION + 1)
    if not ids:
        raise NothingFits(f"no {search.state} call fits; nothing was changed")
    if len(ids) <= PORTION:
        return Acted(len(ids), calls.act(tx, action, search.state, ids, who=who))
    count, chosen = matching.count(tx, search, upto=upto), described(search)
    call = act_on_calls.using(queue=_least_urgent(tx, queues), session=tx, delay=UNDO).dispatch(
        action=action, chosen=chosen, upto=upto, total=count, who=who
    )
    audit.record(tx, who, f"queue {action} all", {"filter": chosen, "call": call.id}, count)
    return Acted(count, 0, call.id)


def described(search: Search) -> dict[str, Any]:
    """A search as JSON: its state and what it filters by."""
    given = {name: getattr(search, name) for name in Search.__slots__}
    fields = {name: value for name, value in given.items() if value is not None}
    fields |= {name: fields[name].isoformat() for name in ("first", "last") if name in fields}
    return fields | ({"args": [json_text.loads(text) for text in fields["args"]]} if "args" in fields else {})


def _search(fields: dict[str, Any]) -> Search:
    read = dict(fields)
    read |= {name: datetime.fromisoformat(read[name]) for name in ("first", "last") if name in read}
    return Search(**read | ({"args": [json_text.dumps(value) for value in read["args"]]} if "args" in read else {}))


def _least_urgent(tx: Connection[Any], known: Sequence[str]) -> str:
    """The least urgent queue that a live worker serves, so that the call runs and keeps nothing
    waiting; without one, of those known."""
    alive = [worker for worker in activity.of_workers(tx) if worker.silent <= SILENT and worker.queues]
    return alive[0].queues[-1] if alive else known[-1]


@contextmanager
def _transaction() -> Iterator[Connection[Any]]:
    with engine().begin() as connection:
        yield in_transaction_of(connection)
