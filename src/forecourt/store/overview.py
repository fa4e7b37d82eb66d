"""What an operator asks: how long the queues are, what a call is doing, what has become of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

# Counting ready by queue walks the claim's index once; running is small; scheduled and failed have
# an index each.
SIZES = """
WITH RECURSIVE names AS (
    (SELECT queue FROM forecourt.ready ORDER BY queue LIMIT 1)
    UNION ALL
    SELECT (SELECT r.queue FROM forecourt.ready AS r WHERE r.queue > n.queue ORDER BY r.queue LIMIT 1)
    FROM names AS n
    WHERE n.queue IS NOT NULL
), ready AS (
    SELECT n.queue, c.ready, o.oldest
    FROM names AS n,
         LATERAL (SELECT count(*) AS ready FROM forecourt.ready AS r WHERE r.queue = n.queue) AS c,
         LATERAL (SELECT min(ready_at) AS oldest FROM (
             SELECT ready_at FROM forecourt.ready AS r WHERE r.queue = n.queue ORDER BY queue, priority, id LIMIT 100
         ) AS first) AS o
    WHERE n.queue IS NOT NULL
), scheduled AS (
    SELECT queue, count(*) AS scheduled FROM forecourt.scheduled GROUP BY queue
), running AS (
    SELECT queue, count(*) AS running FROM forecourt.running GROUP BY queue
), failed AS (
    SELECT queue, count(*) AS failed FROM forecourt.failed GROUP BY queue
), known AS (
    SELECT unnest(%(queues)s::text[]) AS queue
    UNION SELECT queue FROM forecourt.job_definitions
    UNION SELECT queue FROM ready
    UNION SELECT queue FROM scheduled
    UNION SELECT queue FROM running
    UNION SELECT queue FROM failed
    UNION SELECT name FROM forecourt.pauses WHERE kind = 'queue'
)
SELECT k.queue,
       coalesce(r.ready, 0) AS ready,
       coalesce(u.running, 0) AS running,
       coalesce(s.scheduled, 0) AS scheduled,
       coalesce(f.failed, 0) AS failed,
       coalesce(extract(epoch FROM now() - r.oldest), 0)::float8 AS oldest_ready_seconds,
       p.who IS NOT NULL AS paused
FROM known AS k
LEFT JOIN ready AS r USING (queue)
LEFT JOIN scheduled AS s USING (queue)
LEFT JOIN running AS u USING (queue)
LEFT JOIN failed AS f USING (queue)
LEFT JOIN forecourt.pauses AS p ON p.kind = 'queue' AND p.name = k.queue AND (p.until IS NULL OR p.until > now())
ORDER BY k.queue
"""

# The queues of `failed` are found by skipping through its index, one step a queue; of what is to
# come ten thousand are enough to know its queues by.
QUEUES = """
WITH RECURSIVE failed AS (
    (SELECT queue FROM forecourt.failed ORDER BY queue LIMIT 1)
    UNION ALL
    SELECT (SELECT f.queue FROM forecourt.failed AS f WHERE f.queue > before.queue ORDER BY f.queue LIMIT 1)
    FROM failed AS before
    WHERE before.queue IS NOT NULL
)
SELECT queue FROM forecourt.job_definitions
UNION SELECT queue FROM (SELECT queue FROM forecourt.scheduled LIMIT 10000) AS few
UNION SELECT queue FROM failed WHERE queue IS NOT NULL
UNION SELECT name FROM forecourt.pauses WHERE kind = 'queue'
UNION SELECT unnest(queues) FROM forecourt.workers
ORDER BY 1
"""

FIND = """
SELECT 'ready' AS state, id, job, queue, priority, args, options, attempts, history, created_at,
       NULL::timestamptz AS at, NULL::text AS error, NULL::jsonb AS result, NULL::bigint AS worker
FROM forecourt.ready WHERE id = %(id)s
UNION ALL
SELECT 'scheduled', id, job, queue, priority, args, options, attempts, history, created_at, run_at, NULL, NULL, NULL
FROM forecourt.scheduled WHERE id = %(id)s
UNION ALL
SELECT 'running', id, job, queue, priority, args, options, attempts, history, created_at, started_at, NULL, NULL, worker
FROM forecourt.running WHERE id = %(id)s
UNION ALL
SELECT 'failed', id, job, queue, priority, args, options, attempts, history, created_at, failed_at,
       error || ': ' || message, NULL, worker
FROM forecourt.failed WHERE id = %(id)s
UNION ALL
SELECT outcome, id, job, queue, NULL, args, NULL, attempts, history, created_at, finished_at, NULL, result, worker
FROM forecourt.done WHERE id = %(id)s
"""


@dataclass(frozen=True, slots=True)
class QueueSize:
    """How many calls a queue has in each state, and for how many seconds its oldest ready call has
    been waiting.
    """

    queue: str
    ready: int
    running: int
    scheduled: int
    failed: int
    oldest_ready_seconds: float
    paused: bool


@dataclass(frozen=True, slots=True)
class Found:
    """A call, wherever it is. `at` is when that state began, or for a scheduled call when it
    ends.
    """

    state: str
    id: int
    job: str
    queue: str
    priority: int | None
    args: Any
    options: Any
    attempts: int
    history: list[dict[str, Any]]
    created_at: datetime
    at: datetime | None
    error: str | None
    result: Any
    worker: int | None


def sizes(tx: Connection[Any], queues: Sequence[str] = ()) -> list[QueueSize]:
    """Every queue that is known from anywhere, `queues` included."""
    with tx.cursor(row_factory=class_row(QueueSize)) as cursor:
        return cursor.execute(SIZES, {"queues": list(queues)}).fetchall()


def find(tx: Connection[Any], id: int) -> Found | None:
    """The call with this id in whichever table it is; None when it is nowhere."""
    with tx.cursor(row_factory=class_row(Found)) as cursor:
        return cursor.execute(FIND, {"id": id}).fetchone()


def queues(tx: Connection[Any]) -> list[str]:
    """The queues that a job, a call or a worker uses."""
    return [row[0] for row in tx.execute(QUEUES)]
