"""Wishes to the whole fleet, each with the instant at which it was uttered."""

from typing import Any

from psycopg import Connection

UTTER = """
INSERT INTO forecourt.wishes (name)
VALUES (%(name)s)
ON CONFLICT (name) DO UPDATE
SET at = now()
"""

NEWER = """
SELECT EXISTS (
    SELECT
    FROM forecourt.wishes AS w, forecourt.workers AS k
    WHERE w.name = %(name)s
      AND k.id = %(worker)s
      AND w.at > k.started_at
)
"""


def utter(tx: Connection[Any], name: str) -> None:
    """Wish something from now on."""
    tx.execute(UTTER, {"name": name})


def newer_than_worker(tx: Connection[Any], name: str, worker: int) -> bool:
    """Whether the wish was uttered after this worker started."""
    return bool(tx.execute(NEWER, {"name": name, "worker": worker}).fetchall()[0][0])
