"""Ends calls that nobody wants any more, and empties queues."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from psycopg import Connection

from forecourt.store import audit
from forecourt.store import cancel as store
from forecourt.workers import ending


class NotLive(Exception):
    """Calls that were to be cancelled neither wait nor run; nothing must be committed."""

    def __init__(self, ids: Sequence[int]) -> None:
        super().__init__(f"no call waits or runs with the id {', '.join(map(str, ids))}; nothing was cancelled")


class Cancelling(NamedTuple):
    """What became of calls that were to be cancelled: `waiting` have ended, `running` will in a
    moment.
    """

    waiting: set[int]
    running: set[int]


def cancel(tx: Connection[Any], ids: Sequence[int], *, who: str) -> Cancelling:
    """End calls: those that wait at once, those that run by killing their slot. Raises NotLive."""
    live = store.ask(tx, ids, who)
    if missing := sorted(set(ids) - live):
        raise NotLive(missing)
    waiting = ending.cancel_waiting(tx, ids, who)
    audit.record(tx, who, "queue cancel", {"ids": list(ids)}, len(ids))
    return Cancelling(waiting, live - waiting)


def clear(tx: Connection[Any], queue: str, *, who: str) -> int:
    """Remove every waiting call of a queue. Returns how many."""
    count = ending.clear(tx, queue)
    audit.record(tx, who, "queue clear", {"queue": queue}, count)
    return count
