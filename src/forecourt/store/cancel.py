"""Ends calls that nobody wants any more: one that waits goes to done as cancelled, one that runs is reported to its worker."""

from collections.abc import Sequence
from typing import Any

from psycopg import Connection

CANCEL_WAITING = """
WITH waiting AS (
    DELETE FROM forecourt.ready WHERE id = ANY (%(ids)s)
    RETURNING id, batch_id, created_at, attempts, uuid, job, queue, args, history, unique_key, trace
), later AS (
    DELETE FROM forecourt.scheduled WHERE id = ANY (%(ids)s)
    RETURNING id, batch_id, created_at, attempts, uuid, job, queue, args, history, unique_key, trace
), gone AS (
    SELECT * FROM waiting UNION ALL SELECT * FROM later
), freed AS (
    DELETE FROM forecourt.uniques AS u
    USING gone AS g
    WHERE u.key = g.unique_key AND u.call_id = g.id AND u.until = 'infinity'
), closed AS (
    UPDATE forecourt.ticks
    SET status = 'cancelled', why = %(why)s, finished_at = now()
    WHERE call_id IN (SELECT id FROM gone)
      AND finished_at IS NULL
)
INSERT INTO forecourt.done (id, batch_id, created_at, attempts, uuid, outcome, job, queue, args, history, result, trace)
SELECT id, batch_id, created_at, attempts, uuid, 'cancelled', job, queue, args, history,
       jsonb_build_object('why', %(why)s::text), trace
FROM gone
RETURNING id, batch_id
"""

ASK = """
INSERT INTO forecourt.cancellations (call_id, who)
SELECT id, %(who)s
FROM forecourt.running
WHERE id = ANY (%(ids)s)
ON CONFLICT (call_id) DO NOTHING
RETURNING call_id
"""

ASKED_OF = """
SELECT c.call_id
FROM forecourt.cancellations AS c
JOIN forecourt.running AS r ON r.id = c.call_id
WHERE r.worker = %(worker)s
"""

WAITING_AGAIN = """
SELECT c.call_id, c.who
FROM forecourt.cancellations AS c
WHERE EXISTS (SELECT FROM forecourt.ready WHERE id = c.call_id)
   OR EXISTS (SELECT FROM forecourt.scheduled WHERE id = c.call_id)
"""

FORGET = """
DELETE FROM forecourt.cancellations AS c
WHERE NOT EXISTS (SELECT FROM forecourt.running WHERE id = c.call_id)
"""


def waiting(tx: Connection[Any], ids: Sequence[int], who: str) -> dict[int, int | None]:
    """End the calls that wait, due or not. Returns their ids, each with its batch."""
    return {row[0]: row[1] for row in tx.execute(CANCEL_WAITING, {"ids": list(ids), "why": f"cancelled by {who}"})}


def ask(tx: Connection[Any], ids: Sequence[int], who: str) -> set[int]:
    """Ask the workers of the calls that run to end them. Returns their ids."""
    return {row[0] for row in tx.execute(ASK, {"ids": list(ids), "who": who})}


def waiting_again(tx: Connection[Any]) -> dict[int, str]:
    """The calls that were to be ended while they ran and wait again, each with whoever asked."""
    return {row[0]: row[1] for row in tx.execute(WAITING_AGAIN)}


def asked_of(tx: Connection[Any], worker: int) -> set[int]:
    """The calls that this worker runs and should end. What has ended by itself is forgotten."""
    tx.execute(FORGET)
    return {row[0] for row in tx.execute(ASKED_OF, {"worker": worker})}
