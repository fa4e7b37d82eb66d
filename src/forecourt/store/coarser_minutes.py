"""Counts get coarser with age, so that a week of a whole fleet is read in milliseconds. Nothing of
them is lost.

Each slot counts into rows of its own, so that no two wait for each other. Once a minute is over,
one row for each queue and job says the same; once nobody looks at single minutes any more, one for
each hour does. A slot that is late with a count finds its row gone and begins a new one, which is
added the next time.
"""

from datetime import timedelta
from typing import Any

from psycopg import Connection

OVER = timedelta(minutes=5)
"""Age at which the slots' rows of a minute become one."""

BY_THE_HOUR = timedelta(hours=7)
"""Age at which the minutes of an hour become one row. Lines are drawn by the minute over three
hours, sums made over six.
"""

AT_ONCE = timedelta(hours=1)
"""The longest stretch of one step: what piled up while no worker ran is not folded in one
transaction.
"""

NOBODY = 0
"""The writer of rows that are sums; workers' numbers begin above."""

FIRST_OF_SLOTS = """
SELECT min(minute)
FROM forecourt.minutes
WHERE worker <> 0
"""

FIRST_OF_MINUTES = """
SELECT min(minute)
FROM forecourt.minutes
WHERE minute <> date_trunc('hour', minute, 'UTC')
"""

# What is added to is never among what is taken away: rows of slots go into one of nobody's, minutes
# into the first of their hour.
FOLD = """
WITH gone AS (
    DELETE FROM forecourt.minutes
    WHERE minute >= %(first)s
      AND minute < least(%(first)s + %(at_once)s::interval, date_trunc('minute', now() - %(age)s::interval))
      AND (worker <> 0 OR (%(hourly)s AND minute <> date_trunc('hour', minute, 'UTC')))
    RETURNING *
), summed AS (
    INSERT INTO forecourt.minutes AS m (
        minute, worker, queue, job, finished, discarded, retried, failed, released, late, run_seconds, wait_seconds,
        run_buckets, wait_buckets
    )
    SELECT CASE WHEN %(hourly)s THEN date_trunc('hour', minute, 'UTC') ELSE minute END AS slice, 0, queue, job,
           sum(finished), sum(discarded), sum(retried), sum(failed), sum(released), sum(late), sum(run_seconds), sum(wait_seconds),
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
    FROM gone
    GROUP BY slice, queue, job
    ON CONFLICT (minute, queue, job, worker) DO UPDATE
    SET finished = m.finished + excluded.finished,
        discarded = m.discarded + excluded.discarded,
        retried = m.retried + excluded.retried,
        failed = m.failed + excluded.failed,
        released = m.released + excluded.released,
        late = m.late + excluded.late,
        run_seconds = m.run_seconds + excluded.run_seconds,
        wait_seconds = m.wait_seconds + excluded.wait_seconds,
        run_buckets = forecourt.add_buckets(m.run_buckets, excluded.run_buckets),
        wait_buckets = forecourt.add_buckets(m.wait_buckets, excluded.wait_buckets)
)
SELECT count(*) FROM gone
"""


def fold(tx: Connection[Any]) -> int:
    """Make one row of many where a minute, or an hour of long ago, is over: an hour's worth of
    each. Returns how many rows went.
    """
    folded = 0
    for first, age, hourly in ((FIRST_OF_SLOTS, OVER, False), (FIRST_OF_MINUTES, BY_THE_HOUR, True)):
        oldest = tx.execute(first).fetchall()[0][0]
        if oldest is not None:
            facts = {"first": oldest, "age": age, "at_once": AT_ONCE, "hourly": hourly}
            folded += tx.execute(FOLD, facts).fetchall()[0][0]
    return folded
