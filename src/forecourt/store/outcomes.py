"""When each task last succeeded, failed or was missed, as far as its latest due times tell; and
which of its runs are open.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

LATEST = 30
"""Due times of each task that are looked at."""

OUTCOMES = """
SELECT named.task, ended.*
FROM unnest(%(tasks)s::text[]) AS named(task)
CROSS JOIN LATERAL (
    SELECT max(finished_at) FILTER (WHERE status = 'succeeded') AS succeeded,
           max(finished_at) FILTER (WHERE status = 'failed') AS failed,
           max(finished_at) FILTER (WHERE status = 'missed') AS missed,
           max(finished_at) FILTER (WHERE status = 'skipped') AS skipped,
           (array_agg(date_part('epoch', finished_at - started_at) ORDER BY due_at DESC)
               FILTER (WHERE status = 'succeeded'))[1] AS took
    FROM (
        SELECT due_at, started_at, finished_at, status
        FROM forecourt.ticks
        WHERE ticks.task = named.task
          AND due_at <= now()
        ORDER BY due_at DESC
        LIMIT %(latest)s
    ) AS latest
    HAVING count(*) > 0
) AS ended
"""

OPEN = """
SELECT task, extract(epoch FROM now() - min(due_at))::float8
FROM forecourt.ticks
WHERE finished_at IS NULL
  AND call_id IS NOT NULL
GROUP BY task
"""


KNOWN_SINCE = """
SELECT name, max(begun_at)
FROM forecourt.tasks
GROUP BY name
"""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Of a task: when one of its latest runs last ended so; `took`: seconds of the last that
    succeeded.
    """

    task: str
    succeeded: datetime | None
    failed: datetime | None
    missed: datetime | None
    skipped: datetime | None
    took: float | None


def outcomes(tx: Connection[Any], tasks: Sequence[str]) -> dict[str, Outcomes]:
    """By task; none for one that was never due."""
    with tx.cursor(row_factory=class_row(Outcomes)) as cursor:
        return {found.task: found for found in cursor.execute(OUTCOMES, {"tasks": list(tasks), "latest": LATEST})}


def open_for(tx: Connection[Any]) -> dict[str, float]:
    """For each task with a run that has not ended, how many seconds ago the oldest of them was
    due.
    """
    return {row[0]: row[1] for row in tx.execute(OPEN)}


def known_since(tx: Connection[Any]) -> dict[str, datetime]:
    """Since when a clock has looked at each task as it is now: what was due before, nobody
    promised.
    """
    return {row[0]: row[1] for row in tx.execute(KNOWN_SINCE)}
