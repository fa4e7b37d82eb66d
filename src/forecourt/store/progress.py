"""How far running calls say that they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from forecourt.database.asking import ask

REPORT = """
INSERT INTO forecourt.progress AS p (call_id, done, total, words)
VALUES (%(call)s, %(done)s, %(total)s, %(words)s)
ON CONFLICT (call_id) DO UPDATE
SET done = excluded.done,
    total = excluded.total,
    words = excluded.words,
    at = now()
"""

OF = """
SELECT p.call_id, p.done, p.total, p.words, p.at
FROM forecourt.progress AS p
JOIN forecourt.running AS r ON r.id = p.call_id
WHERE p.call_id = ANY (%(calls)s)
"""

FORGET = """
DELETE FROM forecourt.progress AS p
WHERE NOT EXISTS (SELECT FROM forecourt.running WHERE id = p.call_id)
"""


@dataclass(frozen=True, slots=True)
class Progress:
    """What a running call last said of itself; `total` is None when it does not know."""

    call_id: int
    done: float
    total: float | None
    words: str
    at: datetime


def report(tx: Connection[Any], call: int, done: float, total: float | None, words: str) -> None:
    """Replace what the call said before."""
    tx.execute(REPORT, {"call": call, "done": done, "total": total, "words": words})


def of(tx: Connection[Any], calls: Sequence[int]) -> dict[int, Progress]:
    """What these calls say, as far as they run and said anything."""
    with tx.cursor(row_factory=class_row(Progress)) as cursor:
        return {found.call_id: found for found in cursor.execute(OF, {"calls": list(calls)})}


def forget(tx: Connection[Any]) -> None:
    """Remove what calls said that do not run any more."""
    ask(tx, FORGET)
