"""How each queue stands, for pages: as `overview.sizes`, but no count goes beyond a cap, so that it
takes no longer the deeper the backlog is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

CAP = 100_000

# The queues of `ready` are found by skipping through the claim's index, one step a queue. Counts
# name their index's order: for a few rows the planner would rather walk the table.
STANDING = """
WITH RECURSIVE names AS (
    (SELECT queue FROM forecourt.ready ORDER BY queue LIMIT 1)
    UNION ALL
    SELECT (SELECT r.queue FROM forecourt.ready AS r WHERE r.queue > n.queue ORDER BY r.queue LIMIT 1)
    FROM names AS n
    WHERE n.queue IS NOT NULL
), scheduled AS (
    SELECT queue, count(*) AS scheduled
    FROM (SELECT queue FROM forecourt.scheduled LIMIT %(cap)s + 1) AS few
    GROUP BY queue
), running AS (
    SELECT queue, count(*) AS running FROM forecourt.running GROUP BY queue
), paused AS (
    SELECT name AS queue, since, until, who, why
    FROM forecourt.pauses
    WHERE kind = 'queue'
      AND (until IS NULL OR until > now())
), known AS (
    SELECT unnest(%(queues)s::text[]) AS queue
    UNION SELECT queue FROM forecourt.job_definitions
    UNION SELECT queue FROM names WHERE queue IS NOT NULL
    UNION SELECT queue FROM scheduled
    UNION SELECT queue FROM running
    UNION SELECT queue FROM paused
)
SELECT k.queue, r.ready, f.failed,
       coalesce(u.running, 0) AS running,
       coalesce(s.scheduled, 0) AS scheduled,
       coalesce(extract(epoch FROM now() - o.oldest), 0)::float8 AS oldest,
       p.who AS paused_by, p.since AS paused_since, p.until AS paused_until, p.why AS paused_why,
       coalesce(w.workers, 0) AS workers,
       coalesce(w.slots, 0) AS slots,
       coalesce(w.busy, 0) AS busy
FROM known AS k
CROSS JOIN LATERAL (
    SELECT count(*) AS ready
    FROM (
        SELECT FROM forecourt.ready AS r WHERE r.queue = k.queue ORDER BY queue, priority, id LIMIT %(most)s + 1
    ) AS few
) AS r
CROSS JOIN LATERAL (
    SELECT min(ready_at) AS oldest
    FROM (SELECT ready_at FROM forecourt.ready AS r WHERE r.queue = k.queue ORDER BY queue, priority, id LIMIT 100) AS first
) AS o
CROSS JOIN LATERAL (
    SELECT count(*) AS failed
    FROM (
        SELECT FROM forecourt.failed AS f
        WHERE f.queue = k.queue AND f.failed_at >= %(since)s
        ORDER BY queue, failed_at
        LIMIT %(most)s + 1
    ) AS few
) AS f
LEFT JOIN scheduled AS s USING (queue)
LEFT JOIN running AS u USING (queue)
LEFT JOIN paused AS p USING (queue)
LEFT JOIN LATERAL (
    SELECT count(*) AS workers, sum(w.slots) AS slots, sum(w.busy) AS busy
    FROM forecourt.workers AS w
    WHERE k.queue = ANY (w.queues)
      AND NOT w.quiet
      AND w.beat_at > now() - interval '30 seconds'
) AS w ON true
ORDER BY k.queue
"""

FAILED_SINCE = """
SELECT count(*)
FROM (SELECT FROM forecourt.failed WHERE failed_at >= %(since)s LIMIT %(cap)s + 1) AS few
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """A queue: how many of its calls are in each state, `failed` since the given instant, how many
    seconds its oldest ready call has waited, who has paused it, and how many live workers serve it
    that are not quiet, with how many `slots`, of which are `busy`, with this queue's calls or
    others'. No count is above CAP + 1."""

    queue: str
    ready: int
    failed: int
    running: int
    scheduled: int
    oldest: float
    paused_by: str | None
    paused_since: datetime | None
    paused_until: datetime | None
    paused_why: str | None
    workers: int
    slots: int
    busy: int


def of_queues(tx: Connection[Any], since: datetime, queues: Sequence[str] = (), *, most: int = CAP) -> list[Standing]:
    """Every queue that is known from anywhere, `queues` included. Of ready and failed calls none is
    counted beyond `most` + 1: whoever asks only whether there are some says 0.
    """
    parameters = {"queues": list(queues), "since": since, "cap": CAP, "most": most}
    with tx.cursor(row_factory=class_row(Standing)) as cursor:
        return cursor.execute(STANDING, parameters).fetchall()


def failed_since(tx: Connection[Any], since: datetime) -> int:
    """How many calls have failed for good since then, up to CAP + 1."""
    return int(tx.execute(FAILED_SINCE, {"since": since, "cap": CAP}).fetchall()[0][0])
