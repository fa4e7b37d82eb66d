"""Removes calls that wait: `queue clear`. A call that is running is nobody's to clear."""

from typing import Any

from psycopg import Connection

COUNT = """
SELECT (SELECT count(*) FROM forecourt.ready WHERE queue = %(queue)s)
     + (SELECT count(*) FROM forecourt.scheduled WHERE queue = %(queue)s)
"""

CLEAR = """
WITH cleared AS (
    DELETE FROM forecourt.ready WHERE queue = %(queue)s RETURNING id
), also AS (
    DELETE FROM forecourt.scheduled WHERE queue = %(queue)s RETURNING id
), ids AS (
    SELECT id FROM cleared UNION ALL SELECT id FROM also
), freed AS (
    DELETE FROM forecourt.uniques
    WHERE call_id IN (SELECT id FROM ids)
      AND until = 'infinity'
), closed AS (
    UPDATE forecourt.ticks
    SET status = 'cancelled', why = 'its queue was cleared', finished_at = now()
    WHERE call_id IN (SELECT id FROM ids)
      AND finished_at IS NULL
)
SELECT count(*) FROM ids
"""


def count(tx: Connection[Any], queue: str) -> int:
    """How many calls wait in a queue, due or not."""
    return int(tx.execute(COUNT, {"queue": queue}).fetchall()[0][0])


def clear(tx: Connection[Any], queue: str) -> int:
    """Remove them, and close the ticks that some of them were. Returns how many."""
    return int(tx.execute(CLEAR, {"queue": queue}).fetchall()[0][0])
