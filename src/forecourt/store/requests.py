"""Control requests to the whole fleet, each with the instant at which it was made."""

from typing import Any

from psycopg import Connection

ASK = """
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


def ask(tx: Connection[Any], name: str) -> None:
    """Ask for something from now on."""
    tx.execute(ASK, {"name": name})


def newer_than_worker(tx: Connection[Any], name: str, worker: int) -> bool:
    """Whether it was asked for after this worker started."""
    return bool(tx.execute(NEWER, {"name": name, "worker": worker}).fetchall()[0][0])
