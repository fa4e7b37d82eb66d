"""What monitors answered to the last ping of each kind. An address is kept without its path, which
is often the whole secret."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

RECORD = """
INSERT INTO forecourt.pings (task, address, status, error)
VALUES (%(task)s, %(address)s, %(status)s, %(error)s)
ON CONFLICT (task, address, status) DO UPDATE
SET sent_at = now(),
    error = excluded.error
"""

OF_TASK = """
SELECT address, status, sent_at, error
FROM forecourt.pings
WHERE task = %(task)s
ORDER BY sent_at DESC
"""


@dataclass(frozen=True, slots=True)
class Sent:
    """The last ping to a monitor when a run was or had become `status`. `error`: what was answered
    instead of well; None if it was well.
    """

    address: str
    status: str
    sent_at: datetime
    error: str | None


def record(tx: Connection[Any], task: str, address: str, status: str, error: str | None) -> None:
    """Note a ping in the place of the one before it."""
    tx.execute(RECORD, {"task": task, "address": address, "status": status, "error": error})


def of_task(tx: Connection[Any], task: str) -> list[Sent]:
    """Those of a task, the latest first."""
    with tx.cursor(row_factory=class_row(Sent)) as cursor:
        return cursor.execute(OF_TASK, {"task": task}).fetchall()
