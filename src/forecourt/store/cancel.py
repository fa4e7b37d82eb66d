"""Ends calls that nobody wants any more: one that waits goes to done as cancelled, one that runs is
ended by its worker.

A request is a row for as long as its call lives, wherever the call is: a call moves between its
tables meanwhile, and only a statement that looks into all of them at once can tell one that moved
from one that is over.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from forecourt.database.asking import ask as send

# One snapshot for the three tables: a call that is just being moved is in exactly one of them.
ASK = """
WITH live AS (
    SELECT id FROM forecourt.ready WHERE id = ANY (%(ids)s)
    UNION ALL
    SELECT id FROM forecourt.scheduled WHERE id = ANY (%(ids)s)
    UNION ALL
    SELECT id FROM forecourt.running WHERE id = ANY (%(ids)s)
), asked AS (
    INSERT INTO forecourt.cancellations (call_id, who)
    SELECT id, %(who)s FROM live ORDER BY id
    ON CONFLICT (call_id) DO NOTHING
)
SELECT id FROM live
"""

# Two who cancel the same calls take them in one order, and never deadlock.
CANCEL_WAITING = """
WITH waiting AS (
    DELETE FROM forecourt.ready
    WHERE id = ANY (ARRAY(SELECT id FROM forecourt.ready WHERE id = ANY (%(ids)s) ORDER BY id FOR UPDATE))
    RETURNING id, batch_id, created_at, attempts, job, queue, args, options, history, unique_key, trace
), later AS (
    DELETE FROM forecourt.scheduled
    WHERE id = ANY (ARRAY(SELECT id FROM forecourt.scheduled WHERE id = ANY (%(ids)s) ORDER BY id FOR UPDATE))
    RETURNING id, batch_id, created_at, attempts, job, queue, args, options, history, unique_key, trace
), gone AS (
    SELECT * FROM waiting UNION ALL SELECT * FROM later
), freed AS (
    DELETE FROM forecourt.uniques AS u
    USING gone AS g
    WHERE u.key = g.unique_key AND u.call_id = g.id AND u.until = 'infinity'
), forgotten AS (
    DELETE FROM forecourt.cancellations
    WHERE call_id IN (SELECT id FROM gone)
), entered AS (
    INSERT INTO forecourt.done (id, batch_id, created_at, attempts, outcome, job, queue, args, history, result, trace)
    SELECT id, batch_id, created_at, attempts, 'cancelled', job, queue, args, history,
           jsonb_build_object('why', %(why)s::text), trace
    FROM gone
)
SELECT id, options FROM gone
"""

FORGET = """
DELETE FROM forecourt.cancellations AS c
WHERE NOT EXISTS (SELECT FROM forecourt.running WHERE id = c.call_id)
  AND NOT EXISTS (SELECT FROM forecourt.ready WHERE id = c.call_id)
  AND NOT EXISTS (SELECT FROM forecourt.scheduled WHERE id = c.call_id)
"""


class Cancelled(NamedTuple):
    """A call that waited and was ended; its options say what counts on it."""

    id: int
    options: dict[str, Any]


def ask(tx: Connection[Any], ids: Sequence[int], who: str) -> set[int]:
    """Request the end of calls, wherever they are, until they have ended. Returns the ids of those
    that live.
    """
    return {row[0] for row in tx.execute(ASK, {"ids": list(ids), "who": who})}


def waiting(tx: Connection[Any], ids: Sequence[int], who: str) -> list[Cancelled]:
    """End the calls that wait, due or not, and with them the requests."""
    with tx.cursor(row_factory=class_row(Cancelled)) as cursor:
        return cursor.execute(CANCEL_WAITING, {"ids": list(ids), "why": f"cancelled by {who}"}).fetchall()


def forget(tx: Connection[Any]) -> None:
    """Remove the requests of calls that are over."""
    send(tx, FORGET)
