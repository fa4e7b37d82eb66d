"""Retries and forgets calls that failed for good: few at once, or all that a filter chooses, a
portion a transaction.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal, TypeAlias

from psycopg import Connection

from forecourt.store import audit, failed

PORTION = 1000
"""Calls that one transaction touches, so that it never holds much for long."""

Action: TypeAlias = Literal["retry", "forget"]
Transaction: TypeAlias = Callable[[], AbstractContextManager[Connection[Any]]]


def act(tx: Connection[Any], action: Action, ids: Sequence[int], *, who: str) -> int:
    """Retry or forget these failed calls, in this transaction. Returns how many there were: one
    that somebody else took, or a unique call of which another is live, stays."""
    count = failed.retry(tx, ids) if action == "retry" else failed.forget(tx, ids)
    audit.record(tx, who, f"queue {action}", {"ids": list(ids)}, count)
    return count


def in_portions(transaction: Transaction, action: Action, ids: Sequence[int], *, who: str) -> Iterator[int]:
    """The same for any number of them, each portion in a transaction of its own. Yields how many
    each did.
    """
    for first in range(0, len(ids), PORTION):
        with transaction() as tx:
            count = act(tx, action, ids[first : first + PORTION], who=who)
        yield count
