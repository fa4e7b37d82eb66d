"""Calls that are not due yet, and their way into ready."""

from collections.abc import Sequence
from typing import Any

from psycopg import Connection

from forecourt.store.calls import wake

PROMOTE = """
WITH due AS MATERIALIZED (
    SELECT id
    FROM forecourt.scheduled
    WHERE run_at <= now()
    ORDER BY run_at, id
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM forecourt.scheduled
    WHERE id = ANY (ARRAY(SELECT id FROM due))
    RETURNING *
), entered AS (
    INSERT INTO forecourt.ready (
        id, batch_id, created_at, ready_at, priority, attempts, job, queue, args, options, history, unique_key, trace
    )
    SELECT id, batch_id, created_at, run_at, priority, attempts, job, queue, args, options, history, unique_key, trace
    FROM gone
    RETURNING queue
)
SELECT queue, count(*), forecourt.wake(queue)
FROM entered
GROUP BY queue
"""

# The same for calls that somebody does not want to wait for; their age in the queue begins now. One
# that waits for a place in a limit waits on: its slot would only put it back.
RUN_NOW = """
WITH gone AS (
    DELETE FROM forecourt.scheduled
    WHERE id = ANY (%(ids)s)
      AND limit_key IS NULL
    RETURNING *
), entered AS (
    INSERT INTO forecourt.ready (
        id, batch_id, created_at, ready_at, priority, attempts, job, queue, args, options, history, unique_key, trace
    )
    SELECT id, batch_id, created_at, now(), priority, attempts, job, queue, args, options, history, unique_key, trace
    FROM gone
    RETURNING id, queue
)
SELECT id, queue
FROM entered
"""

BATCH = 5000
"""Rows that one statement moves: large enough to be cheap, small enough to keep the transaction
short.
"""


def promote(tx: Connection[Any], limit: int = BATCH) -> int:
    """Move up to `limit` due calls to ready and wake their workers. Returns how many moved."""
    return sum(row[1] for row in tx.execute(PROMOTE, {"limit": limit}))


def run_now(tx: Connection[Any], ids: Sequence[int]) -> set[int]:
    """Move these calls to ready, due or not, and wake their workers. Returns the ids of those that
    were waiting for their time."""
    entered = tx.execute(RUN_NOW, {"ids": list(ids)}).fetchall()
    wake(tx, sorted({queue for _, queue in entered}))
    return {id for id, _ in entered}
