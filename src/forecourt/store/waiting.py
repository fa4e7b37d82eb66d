"""Removes calls that wait: `queue clear`. A call that is running is nobody's to clear."""

from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from forecourt.store.cancel import Cancelled

COUNT = """
SELECT (SELECT count(*) FROM forecourt.ready WHERE queue = %(queue)s)
     + (SELECT count(*) FROM forecourt.scheduled WHERE queue = %(queue)s)
"""

CLEAR = """
WITH cleared AS (
    DELETE FROM forecourt.ready
    WHERE ctid = ANY (ARRAY(SELECT ctid FROM forecourt.ready WHERE queue = %(queue)s ORDER BY queue, priority, id LIMIT %(limit)s))
    RETURNING id, options
), also AS (
    DELETE FROM forecourt.scheduled
    WHERE ctid = ANY (ARRAY(SELECT ctid FROM forecourt.scheduled WHERE queue = %(queue)s LIMIT %(limit)s))
    RETURNING id, options
), gone AS (
    SELECT * FROM cleared UNION ALL SELECT * FROM also
), freed AS (
    DELETE FROM forecourt.uniques
    WHERE call_id IN (SELECT id FROM gone)
      AND until = 'infinity'
)
SELECT id, options FROM gone
"""

PORTION = 10_000
"""Calls of each table that one statement removes."""


def count(tx: Connection[Any], queue: str) -> int:
    """How many calls wait in a queue, due or not."""
    return int(tx.execute(COUNT, {"queue": queue}).fetchall()[0][0])


def clear(tx: Connection[Any], queue: str) -> list[Cancelled]:
    """Remove a portion of them; empty when there is none left."""
    with tx.cursor(row_factory=class_row(Cancelled)) as cursor:
        return cursor.execute(CLEAR, {"queue": queue, "limit": PORTION}).fetchall()
