"""Failed calls by error and job: the few things that are wrong, instead of the many calls that show
it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

MOST = 100_000
"""Failed calls that are looked at, the latest."""

NIGHTS = 7

# The last of the `most` latest: found in an index alone, it spares the statement below the sorting.
EARLIEST = """
SELECT failed_at, id
FROM forecourt.failed
WHERE (%(queue)s::text IS NULL OR queue = %(queue)s)
  AND failed_at >= coalesce(%(since)s::timestamptz, '-infinity')
  AND failed_at < coalesce(%(until)s::timestamptz, 'infinity')
ORDER BY failed_at DESC, id DESC
OFFSET %(most)s - 1
LIMIT 1
"""

# `ago`: days since, up to NIGHTS for all that is older. The sample of a kind is its newest call. Of
# each of a hundred thousand calls only the day is computed, by date_bin, in a fifth of what
# date_part takes; errors are cut when they are few.
KINDS = """
WITH by_day AS (
    SELECT job, error, date_bin('1 day', failed_at, now()) AS began,
           count(*) AS calls,
           count(*) FILTER (WHERE failed_at > (SELECT now() - interval '1 hour')) AS hour,
           min(failed_at) AS first,
           max(failed_at) AS last,
           max(id) AS sample
    FROM forecourt.failed
    WHERE (%(queue)s::text IS NULL OR queue = %(queue)s)
      AND (failed_at, id) >= (%(at)s::timestamptz, %(id)s::bigint)
      AND failed_at < coalesce(%(until)s::timestamptz, 'infinity')
    GROUP BY job, error, began
), by_night AS (
    SELECT job, left(error, 500) AS error,
           least(%(nights)s, greatest(0, date_part('day', now() - began) - 1))::integer AS ago,
           sum(calls)::bigint AS calls, sum(hour) AS hour, min(first) AS first, max(last) AS last, max(sample) AS sample
    FROM by_day
    GROUP BY job, left(error, 500), ago
), kinds AS (
    SELECT job, error, sum(calls)::bigint AS calls, sum(hour)::bigint AS hour,
           coalesce(sum(calls) FILTER (WHERE ago < 1), 0)::bigint AS day,
           coalesce(sum(calls) FILTER (WHERE ago < 7), 0)::bigint AS week,
           min(first) AS first, max(last) AS last, max(sample) AS sample,
           jsonb_object_agg(ago, calls) AS nights
    FROM by_night
    GROUP BY job, error
    ORDER BY last DESC
    LIMIT %(limit)s
)
SELECT k.*, left(f.message, 400) AS message, f.queue
FROM kinds AS k
JOIN forecourt.failed AS f ON f.id = k.sample
ORDER BY k.last DESC
"""

NEWER = """
SELECT count(*)
FROM (
    SELECT
    FROM forecourt.failed
    WHERE (%(queue)s::text IS NULL OR queue = %(queue)s)
      AND failed_at > %(since)s
    LIMIT %(most)s
) AS newer
"""

# What was seen before is mostly found at once, going back in time; only a kind that is new takes a
# walk through the whole week.
NEW = """
WITH recent AS (
    SELECT job, error, count(*) AS calls, max(id) AS sample
    FROM forecourt.failed
    WHERE failed_at > now() - interval '15 minutes'
    GROUP BY job, error
    ORDER BY calls DESC, job, error
    LIMIT 20
)
SELECT r.job, left(r.error, 500) AS error, r.calls, left(f.message, 400) AS message
FROM recent AS r
JOIN forecourt.failed AS f ON f.id = r.sample
WHERE (
    SELECT o.id
    FROM forecourt.failed AS o
    WHERE o.failed_at > now() - interval '7 days'
      AND o.failed_at <= now() - interval '15 minutes'
      AND o.job = r.job
      AND o.error = r.error
    ORDER BY o.failed_at DESC
    LIMIT 1
) IS NULL
ORDER BY r.calls DESC, r.job, r.error
"""


@dataclass(frozen=True, slots=True)
class NewKind:
    """Calls of one job that failed with one error within the last 15 minutes, as none did in the
    week before.
    """

    job: str
    error: str
    calls: int
    message: str


@dataclass(frozen=True, slots=True)
class Kind:
    """Calls of one job that failed with one error: how many at all, in the last hour, day and week;
    when first and last; the newest of them. `nights` has the calls of the last days by how many
    days ago they failed."""

    job: str
    error: str
    calls: int
    hour: int
    day: int
    week: int
    first: datetime
    last: datetime
    sample: int
    nights: dict[str, int]
    message: str
    queue: str

    @property
    def by_night(self) -> list[int]:
        """Calls of each of the last days, oldest first."""
        return [self.nights.get(str(ago), 0) for ago in reversed(range(NIGHTS))]


def kinds(
    tx: Connection[Any],
    *,
    queue: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 100,
    most: int = MOST,
) -> Sequence[Kind]:
    """The kinds of failure among the `most` latest failed calls of [since, until), the one that
    happened last first.
    """
    parameters = {"queue": queue, "since": since, "until": until, "most": most, "nights": NIGHTS, "limit": limit}
    at, id = tx.execute(EARLIEST, parameters).fetchone() or (since or "-infinity", 0)
    with tx.cursor(row_factory=class_row(Kind)) as cursor:
        return cursor.execute(KINDS, parameters | {"at": at, "id": id}).fetchall()


def newer(tx: Connection[Any], since: datetime, *, queue: str | None = None, most: int) -> int:
    """How many calls failed after `since`, counted up to `most`."""
    row = tx.execute(NEWER, {"since": since, "queue": queue, "most": most}).fetchone()
    return int(row[0]) if row else 0


def new(tx: Connection[Any]) -> list[NewKind]:
    """The kinds of failure that began just now, those of most calls first."""
    with tx.cursor(row_factory=class_row(NewKind)) as cursor:
        return cursor.execute(NEW).fetchall()
