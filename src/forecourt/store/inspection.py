"""One call as its page shows it: where it is, what happened to it, what it belongs to. Long
arguments and results are cut.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row, dict_row

MOST = 20_000
"""Characters of arguments and of a result that are read."""

CALL = """
WITH found AS (
    SELECT 'ready' AS state, id, batch_id, job, queue, priority, args, options, attempts, history, created_at,
           ready_at AS at, NULL::timestamptz AS started_at, NULL::timestamptz AS deadline, NULL::text AS error,
           NULL::text AS message, NULL::jsonb AS result, NULL::bigint AS worker, unique_key, trace
    FROM forecourt.ready WHERE id = %(id)s
    UNION ALL
    SELECT 'scheduled', id, batch_id, job, queue, priority, args, options, attempts, history, created_at,
           run_at, NULL, NULL, NULL, NULL, NULL, NULL, unique_key, trace
    FROM forecourt.scheduled WHERE id = %(id)s
    UNION ALL
    SELECT 'running', id, batch_id, job, queue, priority, args, options, attempts, history, created_at,
           claimed_at, started_at, deadline, NULL, NULL, NULL, worker, unique_key, trace
    FROM forecourt.running WHERE id = %(id)s
    UNION ALL
    SELECT 'failed', id, batch_id, job, queue, priority, args, options, attempts, history, created_at,
           failed_at, NULL, NULL, error, message, NULL, worker, unique_key, trace
    FROM forecourt.failed WHERE id = %(id)s
    UNION ALL
    SELECT outcome, id, batch_id, job, queue, NULL, args, '{}', attempts, history, created_at,
           finished_at, started_at, NULL, NULL, NULL, result, worker, NULL, trace
    FROM forecourt.done WHERE id = %(id)s
)
SELECT state, found.id, batch_id, job, queue, priority, attempts, history, created_at, at, started_at, deadline, worker,
       place.host, place.pid, coalesce(place.listed, false) AS worker_listed, unique_key,
       split_part(trace, '-', 2) AS trace, left(error, 500) AS error, left(message, %(most)s) AS message,
       CASE WHEN pg_column_size(args) < 4 * %(most)s THEN left(jsonb_pretty(args), %(most)s) END AS args,
       pg_column_size(args) AS args_size,
       CASE WHEN pg_column_size(result) < 4 * %(most)s THEN left(jsonb_pretty(result), %(most)s) END AS result,
       coalesce(pg_column_size(result), 0) AS result_size,
       (SELECT array_agg(link ->> 'job') FROM jsonb_array_elements(options -> 'chain') AS c(link)) AS chain,
       options -> 'catch' ->> 'job' AS catches,
       (options ->> 'tick')::bigint AS tick,
       (SELECT who FROM forecourt.cancellations AS c WHERE c.call_id = found.id) AS cancelled_by
FROM found
LEFT JOIN LATERAL (
    SELECT host, pid, true AS listed FROM forecourt.workers WHERE id = found.worker
    UNION ALL
    SELECT host, pid, false FROM forecourt.past_workers WHERE id = found.worker
    LIMIT 1
) AS place ON true
"""

BATCH = """
SELECT b.id, name, total + more AS total, pending + more AS pending, failed, cancelled, created_at, cancelled_at, finished_at,
       on_success ->> 'job' AS on_success, on_failure ->> 'job' AS on_failure, at_last ->> 'job' AS at_last
FROM forecourt.batches AS b
CROSS JOIN LATERAL (
    SELECT coalesce(sum(more), 0)::bigint AS more FROM forecourt.batch_growths WHERE batch_id = b.id
) AS grown
WHERE b.id = %(id)s
"""

TICK = """
SELECT task, due_at, status
FROM forecourt.ticks
WHERE id = %(tick)s
"""


@dataclass(frozen=True, slots=True)
class Inspected:
    """A call. `at`: since when it is in this state, or when it is due. `host` and `pid`: of its
    worker, as long as that is known; `worker_listed`: whether that is still among the workers.
    `args` and `result` are JSON text, None when they are too long to show; `chain` are the jobs
    that follow it, `tick` the due time that it is, `trace` the id of the trace that it was
    dispatched in."""

    state: str
    id: int
    batch_id: int | None
    job: str
    queue: str
    priority: int | None
    attempts: int
    history: list[dict[str, Any]]
    created_at: datetime
    at: datetime
    started_at: datetime | None
    deadline: datetime | None
    error: str | None
    worker: int | None
    host: str | None
    pid: int | None
    worker_listed: bool
    unique_key: str | None
    trace: str | None
    message: str | None
    args: str | None
    args_size: int
    result: str | None
    result_size: int
    chain: list[str] | None
    catches: str | None
    tick: int | None
    cancelled_by: str | None


def call(tx: Connection[Any], id: int) -> Inspected | None:
    """The call with this id in whichever table it is; None when it is nowhere."""
    with tx.cursor(row_factory=class_row(Inspected)) as cursor:
        return cursor.execute(CALL, {"id": id, "most": MOST}).fetchone()


def batch(tx: Connection[Any], id: int) -> dict[str, Any] | None:
    """The batch that a call belongs to, as it stands."""
    with tx.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(BATCH, {"id": id}).fetchone()


def tick(tx: Connection[Any], id: int) -> dict[str, Any] | None:
    """The due time that a call is."""
    with tx.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(TICK, {"tick": id}).fetchone()
