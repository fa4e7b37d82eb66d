"""Counts since ever, by queue and job: what counters and histograms of a monitor are made of. They
never go back, though minutes are forgotten: those that are over are summed up beside them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

SETTLED = 30
"""Minutes after which nobody adds to a minute any more: a transaction that is idle is ended after
15.
"""

MOST = 5_000
"""Pairs of a queue and a job that are told."""

FOLD = """
WITH counted AS (
    UPDATE forecourt.counted
    SET until = greatest(until, date_trunc('minute', now()) - make_interval(mins => %(settled)s))
    FROM (SELECT until AS before FROM forecourt.counted FOR UPDATE) AS old
    RETURNING before, until
)
INSERT INTO forecourt.totals AS t (
    queue, job, finished, discarded, retried, failed, released, late, run_seconds, wait_seconds, run_buckets, wait_buckets
)
SELECT queue, job, sum(finished), sum(discarded), sum(retried), sum(failed), sum(released), sum(late),
       sum(run_seconds), sum(wait_seconds),
       ARRAY[
           sum(run_buckets[1]), sum(run_buckets[2]), sum(run_buckets[3]), sum(run_buckets[4]), sum(run_buckets[5]),
           sum(run_buckets[6]), sum(run_buckets[7]), sum(run_buckets[8]), sum(run_buckets[9]), sum(run_buckets[10]),
           sum(run_buckets[11]), sum(run_buckets[12])
       ]::bigint[],
       ARRAY[
           sum(wait_buckets[1]), sum(wait_buckets[2]), sum(wait_buckets[3]), sum(wait_buckets[4]), sum(wait_buckets[5]),
           sum(wait_buckets[6]), sum(wait_buckets[7]), sum(wait_buckets[8]), sum(wait_buckets[9]), sum(wait_buckets[10]),
           sum(wait_buckets[11]), sum(wait_buckets[12])
       ]::bigint[]
FROM forecourt.minutes, counted
WHERE minute >= before
  AND minute < until
GROUP BY queue, job
ON CONFLICT (queue, job) DO UPDATE
SET finished = t.finished + excluded.finished,
    discarded = t.discarded + excluded.discarded,
    retried = t.retried + excluded.retried,
    failed = t.failed + excluded.failed,
    released = t.released + excluded.released,
    late = t.late + excluded.late,
    run_seconds = t.run_seconds + excluded.run_seconds,
    wait_seconds = t.wait_seconds + excluded.wait_seconds,
    run_buckets = forecourt.add_buckets(t.run_buckets, excluded.run_buckets),
    wait_buckets = forecourt.add_buckets(t.wait_buckets, excluded.wait_buckets)
"""

# A job that is known begins with zeros: what it counts first is then seen as an increase. What is
# summed up already is said by `until`, in the same look at the database; `about` is what it was a
# moment before, as a value by which the planner finds the few minutes after it through the index.
COUNTS = """
WITH counts AS (
    SELECT queue, job, finished, discarded, retried, failed, released, late, run_seconds, wait_seconds, run_buckets, wait_buckets
    FROM forecourt.totals
    UNION ALL
    SELECT queue, job, finished, discarded, retried, failed, released, late, run_seconds, wait_seconds, run_buckets, wait_buckets
    FROM forecourt.minutes
    WHERE minute >= %(about)s::timestamptz
      AND minute >= (SELECT until FROM forecourt.counted)
    UNION ALL
    SELECT queue, name, 0, 0, 0, 0, 0, 0, 0, 0, '{0,0,0,0,0,0,0,0,0,0,0,0}', '{0,0,0,0,0,0,0,0,0,0,0,0}'
    FROM forecourt.job_definitions
)
SELECT queue, job,
       sum(finished)::bigint AS finished,
       sum(discarded)::bigint AS discarded,
       sum(retried)::bigint AS retried,
       sum(failed)::bigint AS failed,
       sum(released)::bigint AS released,
       sum(late)::bigint AS late,
       sum(run_seconds)::float8 AS run_seconds,
       sum(wait_seconds)::float8 AS wait_seconds,
       ARRAY[
           sum(run_buckets[1]), sum(run_buckets[2]), sum(run_buckets[3]), sum(run_buckets[4]), sum(run_buckets[5]),
           sum(run_buckets[6]), sum(run_buckets[7]), sum(run_buckets[8]), sum(run_buckets[9]), sum(run_buckets[10]),
           sum(run_buckets[11]), sum(run_buckets[12])
       ]::bigint[] AS ran,
       ARRAY[
           sum(wait_buckets[1]), sum(wait_buckets[2]), sum(wait_buckets[3]), sum(wait_buckets[4]), sum(wait_buckets[5]),
           sum(wait_buckets[6]), sum(wait_buckets[7]), sum(wait_buckets[8]), sum(wait_buckets[9]), sum(wait_buckets[10]),
           sum(wait_buckets[11]), sum(wait_buckets[12])
       ]::bigint[] AS waited
FROM counts
GROUP BY queue, job
ORDER BY queue, job
LIMIT %(most)s
"""


# As text: a driver knows no instant before all others.
UNTIL = "SELECT until::text FROM forecourt.counted"


@dataclass(frozen=True, slots=True)
class Total:
    """What became of a job's calls from a queue since the first one. `ran` and `waited` have the
    attempts in each bucket of `minutes.BOUNDS`, and in the one above."""

    queue: str
    job: str
    finished: int
    discarded: int
    retried: int
    failed: int
    released: int
    late: int
    run_seconds: float
    wait_seconds: float
    ran: Sequence[int | None]
    waited: Sequence[int | None]


def fold(tx: Connection[Any]) -> int:
    """Sum up the minutes to which nobody adds any more. Returns how many jobs' totals grew."""
    return tx.execute(FOLD, {"settled": SETTLED}).rowcount


def totals(tx: Connection[Any]) -> list[Total]:
    """The counts of every job that is known or has ever run."""
    about = tx.execute(UNTIL).fetchall()[0][0]
    with tx.cursor(row_factory=class_row(Total)) as cursor:
        return cursor.execute(COUNTS, {"about": about, "most": MOST}).fetchall()
