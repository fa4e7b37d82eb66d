"""What an operator does with calls: cancels, retries, forgets, runs now; and empties queues."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal, NamedTuple, TypeAlias

from psycopg import Connection

from forecourt.store import audit, ending, failed, scheduled
from forecourt.store import cancel as store
from forecourt.store.search import State

PORTION = 1000
"""Calls that one transaction touches, so that it never holds much for long."""

Action: TypeAlias = Literal["cancel", "run-now", "retry", "forget"]

POSSIBLE: dict[State, tuple[Action, ...]] = {
    "ready": ("cancel",),
    "running": ("cancel",),
    "scheduled": ("run-now", "cancel"),
    "failed": ("retry", "forget"),
    "done": (),
}
"""What can be done with the calls of a state."""

Transaction: TypeAlias = Callable[[], AbstractContextManager[Connection[Any]]]


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


def act(tx: Connection[Any], action: Action, state: State, ids: Sequence[int], *, who: str) -> int:
    """Do this with calls that are in this state, in this transaction. Returns how many still were:
    one that somebody else took, that began meanwhile, that waits for a place in a limit, or a
    unique call of which another is live, stays as it is."""
    match action, state:
        case "cancel", "running":
            count = len(store.ask(tx, ids, who))
        case "cancel", _:
            count = len(ending.cancel_waiting(tx, ids, who))
        case "run-now", _:
            count = len(scheduled.run_now(tx, ids))
        case "retry", _:
            count = failed.retry(tx, ids)
        case "forget", _:
            count = failed.forget(tx, ids)
    audit.record(tx, who, f"queue {action}", {"ids": list(ids)}, count)
    return count


def in_portions(
    transaction: Transaction, action: Action, state: State, ids: Sequence[int], *, who: str
) -> Iterator[int]:
    """The same for any number of them, each portion in a transaction of its own. Yields how many
    each did.
    """
    for first in range(0, len(ids), PORTION):
        with transaction() as tx:
            count = act(tx, action, state, ids[first : first + PORTION], who=who)
        yield count


def clear(tx: Connection[Any], queue: str, *, who: str) -> int:
    """Remove every waiting call of a queue. Returns how many."""
    count = ending.clear(tx, queue)
    audit.record(tx, who, "queue clear", {"queue": queue}, count)
    return count
