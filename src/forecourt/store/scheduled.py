"""Calls that are not due yet, and their way into ready."""

from typing import Any

from psycopg import Connection

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


BATCH = 5000
"""Rows that one statement moves: large enough to be cheap, small enough to keep the transaction
short.
"""


def promote(tx: Connection[Any], limit: int = BATCH) -> int:
    """Move up to `limit` due calls to ready and wake their workers. Returns how many moved."""
    return sum(row[1] for row in tx.execute(PROMOTE, {"limit": limit}))
