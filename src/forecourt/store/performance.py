"""How long calls waited and ran, by job: sums of the minutes' counts and histograms."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

# Each bucket by itself: unnesting the arrays takes four times as long.
BY_JOB = """
SELECT job,
       sum(finished + discarded)::bigint AS well,
       sum(retried)::bigint AS retried,
       sum(failed)::bigint AS failed,
       sum(run_seconds)::float8 AS run_seconds,
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
FROM forecourt.minutes
WHERE minute > now() - %(period)s
GROUP BY job
ORDER BY run_seconds DESC, job
LIMIT 500
"""

PERIODS = {"1h": timedelta(hours=1), "6h": timedelta(hours=6), "24h": timedelta(hours=24), "7d": timedelta(days=7)}
"""Over which is summed up, by their names in addresses."""


@dataclass(frozen=True, slots=True)
class Timing:
    """A job's calls in a period: how many attempts ended well, are tried again, and failed for
    good; the seconds that they ran in all; how long they ran and waited, as counts by
    `minutes.BOUNDS`."""

    job: str
    well: int
    retried: int
    failed: int
    run_seconds: float
    ran: list[int]
    waited: list[int]

    @property
    def failed_percent(self) -> float:
        """How many of a hundred calls that ended did so as failures."""
        return 100 * self.failed / max(1, self.failed + self.well)


def by_job(tx: Connection[Any], period: timedelta) -> list[Timing]:
    """Every job that did something in the last so long, the one that took most time first."""
    with tx.cursor(row_factory=class_row(Timing)) as cursor:
        return cursor.execute(BY_JOB, {"period": period}).fetchall()
