"""Calls of one state as pages list them, a page at a time by the key that they are ordered by.

What has no index of its own is looked for among the latest LOOK_THROUGH calls only: so a question
takes a fraction of a second whatever is asked, and no index has to be kept up by the claim or the
acknowledgement. Arguments are cut where they are read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, TypeAlias

from psycopg import Connection
from psycopg.rows import class_row

State: TypeAlias = Literal["ready", "scheduled", "running", "failed", "done"]

STATES: tuple[State, ...] = ("ready", "running", "scheduled", "failed", "done")

LARGEST_ID = 2**63 - 1

LOOK_THROUGH = 100_000

READY = """
SELECT 'ready' AS state, id, job, queue, attempts, created_at, ready_at AS at, NULL::text AS error, NULL::text AS message,
       CASE WHEN pg_column_size(args) < 4000 THEN left(args::text, 300) END AS args, pg_column_size(args) AS args_size,
       NULL::timestamptz AS until
FROM (
    SELECT *
    FROM forecourt.ready
    WHERE id < coalesce(%(id)s::bigint, 9223372036854775807)
    ORDER BY id DESC
    LIMIT %(through)s
) AS latest
WHERE (%(job)s::text IS NULL OR job = %(job)s)
  AND (%(queue)s::text IS NULL OR queue = %(queue)s)
  AND (%(batch)s::bigint IS NULL OR batch_id = %(batch)s)
  AND (%(trace)s::text IS NULL OR split_part(trace, '-', 2) = %(trace)s)
  AND (%(args)s::jsonb[] IS NULL OR args @> ANY (%(args)s::jsonb[]))
  AND (%(first)s::timestamptz IS NULL OR ready_at >= %(first)s)
  AND (%(last)s::timestamptz IS NULL OR ready_at < %(last)s)
ORDER BY id DESC
LIMIT %(limit)s
"""

# What is due next comes first.
SCHEDULED = """
SELECT 'scheduled' AS state, id, job, queue, attempts, created_at, run_at AS at, NULL::text AS error,
       history -> -1 ->> 'error' AS message,
       CASE WHEN pg_column_size(args) < 4000 THEN left(args::text, 300) END AS args, pg_column_size(args) AS args_size,
       run_at AS until
FROM (
    SELECT *
    FROM forecourt.scheduled
    WHERE (run_at, id) > (coalesce(%(at)s::timestamptz, '-infinity'), coalesce(%(id)s::bigint, 0))
    ORDER BY run_at, id
    LIMIT %(through)s
) AS latest
WHERE (%(job)s::text IS NULL OR job = %(job)s)
  AND (%(queue)s::text IS NULL OR queue = %(queue)s)
  AND (%(batch)s::bigint IS NULL OR batch_id = %(batch)s)
  AND (%(trace)s::text IS NULL OR split_part(trace, '-', 2) = %(trace)s)
  AND (%(args)s::jsonb[] IS NULL OR args @> ANY (%(args)s::jsonb[]))
  AND (%(first)s::timestamptz IS NULL OR run_at >= %(first)s)
  AND (%(last)s::timestamptz IS NULL OR run_at < %(last)s)
ORDER BY run_at, id
LIMIT %(limit)s
"""

RUNNING = """
SELECT 'running' AS state, id, job, queue, attempts, created_at, coalesce(started_at, claimed_at) AS at, NULL::text AS error,
       NULL::text AS message,
       CASE WHEN pg_column_size(args) < 4000 THEN left(args::text, 300) END AS args, pg_column_size(args) AS args_size,
       deadline AS until
FROM forecourt.running
WHERE id < coalesce(%(id)s::bigint, 9223372036854775807)
  AND (%(job)s::text IS NULL OR job = %(job)s)
  AND (%(queue)s::text IS NULL OR queue = %(queue)s)
  AND (%(batch)s::bigint IS NULL OR batch_id = %(batch)s)
  AND (%(trace)s::text IS NULL OR split_part(trace, '-', 2) = %(trace)s)
  AND (%(args)s::jsonb[] IS NULL OR args @> ANY (%(args)s::jsonb[]))
  AND (%(first)s::timestamptz IS NULL OR coalesce(started_at, claimed_at) >= %(first)s)
  AND (%(last)s::timestamptz IS NULL OR coalesce(started_at, claimed_at) < %(last)s)
ORDER BY id DESC
LIMIT %(limit)s
"""

# What is looked through is bounded first, by an index alone: to sort a hundred thousand wide rows
# before any is dropped took as long as all the rest.
FAILED_THROUGH = """
SELECT failed_at, id
FROM forecourt.failed
WHERE (failed_at, id) < (coalesce(%(at)s::timestamptz, 'infinity'), coalesce(%(id)s::bigint, 0))
  AND failed_at >= coalesce(%(first)s::timestamptz, '-infinity')
  AND failed_at < coalesce(%(last)s::timestamptz, 'infinity')
ORDER BY failed_at DESC, id DESC
OFFSET %(through)s - 1
LIMIT 1
"""

FAILED = """
SELECT 'failed' AS state, id, job, queue, attempts, created_at, failed_at AS at, left(error, 500) AS error,
       left(message, 300) AS message,
       CASE WHEN pg_column_size(args) < 4000 THEN left(args::text, 300) END AS args, pg_column_size(args) AS args_size,
       NULL::timestamptz AS until
FROM forecourt.failed
WHERE (failed_at, id) < (coalesce(%(at)s::timestamptz, 'infinity'), coalesce(%(id)s::bigint, 0))
  AND (failed_at, id) >= (%(earliest_at)s::timestamptz, %(earliest_id)s::bigint)
  AND failed_at >= coalesce(%(first)s::timestamptz, '-infinity')
  AND failed_at < coalesce(%(last)s::timestamptz, 'infinity')
  AND (%(job)s::text IS NULL OR job = %(job)s)
  AND (%(queue)s::text IS NULL OR queue = %(queue)s)
  AND (%(error)s::text IS NULL OR left(error, 500) = left(%(error)s, 500))
  AND (%(batch)s::bigint IS NULL OR batch_id = %(batch)s)
  AND (%(trace)s::text IS NULL OR split_part(trace, '-', 2) = %(trace)s)
  AND (%(args)s::jsonb[] IS NULL OR args @> ANY (%(args)s::jsonb[]))
ORDER BY failed_at DESC, id DESC
LIMIT %(limit)s
"""

DONE = """
SELECT outcome AS state, id, job, queue, attempts, created_at, finished_at AS at, NULL::text AS error,
       CASE WHEN outcome <> 'finished' THEN left(result ->> 'why', 300) END AS message,
       CASE WHEN pg_column_size(args) < 4000 THEN left(args::text, 300) END AS args, pg_column_size(args) AS args_size,
       started_at AS until
FROM (
    SELECT *
    FROM forecourt.done
    WHERE id < coalesce(%(id)s::bigint, 9223372036854775807)
      AND finished_at >= coalesce(%(first)s::timestamptz, '-infinity')
      AND finished_at < coalesce(%(last)s::timestamptz, 'infinity')
    ORDER BY id DESC
    LIMIT %(through)s
) AS latest
WHERE (%(job)s::text IS NULL OR job = %(job)s)
  AND (%(queue)s::text IS NULL OR queue = %(queue)s)
  AND (%(batch)s::bigint IS NULL OR batch_id = %(batch)s)
  AND (%(trace)s::text IS NULL OR split_part(trace, '-', 2) = %(trace)s)
  AND (%(args)s::jsonb[] IS NULL OR args @> ANY (%(args)s::jsonb[]))
ORDER BY id DESC
LIMIT %(limit)s
"""

STATEMENTS: dict[State, str] = {
    "ready": READY,
    "scheduled": SCHEDULED,
    "running": RUNNING,
    "failed": FAILED,
    "done": DONE,
}

COUNTED = 10_000
"""Nobody waits for the exact number of millions, and counting ten times as many in five tables took
two thirds of the page's time."""

COUNTS = """
SELECT (SELECT count(*) FROM (SELECT FROM forecourt.ready LIMIT %(cap)s + 1) AS few) AS ready,
       (SELECT count(*) FROM (SELECT FROM forecourt.running LIMIT %(cap)s + 1) AS few) AS running,
       (SELECT count(*) FROM (SELECT FROM forecourt.scheduled LIMIT %(cap)s + 1) AS few) AS scheduled,
       (SELECT count(*) FROM (SELECT FROM forecourt.failed LIMIT %(cap)s + 1) AS few) AS failed,
       (SELECT count(*) FROM (SELECT FROM forecourt.done LIMIT %(cap)s + 1) AS few) AS done
"""

WHERE_IS = """
SELECT id FROM forecourt.ready WHERE id = %(id)s
UNION ALL SELECT id FROM forecourt.scheduled WHERE id = %(id)s
UNION ALL SELECT id FROM forecourt.running WHERE id = %(id)s
UNION ALL SELECT id FROM forecourt.failed WHERE id = %(id)s
UNION ALL SELECT id FROM forecourt.done WHERE id = %(id)s
"""

JOBS = "SELECT name FROM forecourt.job_definitions ORDER BY name LIMIT 1000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is looked for. `trace`: the id of a trace, 32 hexadecimal digits; `args`: JSON objects,
    one of which the arguments must contain; `first` and `last` bound when the state began; `at` and
    `id` are the last row of the page before."""

    state: State = "ready"
    job: str | None = None
    queue: str | None = None
    error: str | None = None
    batch: int | None = None
    trace: str | None = None
    args: Sequence[str] | None = None
    first: datetime | None = None
    last: datetime | None = None
    at: datetime | None = None
    id: int | None = None

    @property
    def filters(self) -> bool:
        """Whether anything but a state is asked for."""
        return replace(self, at=None, id=None) != Search(state=self.state)


@dataclass(frozen=True, slots=True)
class Listed:
    """A call in a list. `at`: since when it is in this state, or when it is due. `until`: its
    deadline while it runs, its start once it is done. `args` is the beginning of its arguments,
    None when they are long."""

    state: str
    id: int
    job: str
    queue: str
    attempts: int
    created_at: datetime
    at: datetime
    error: str | None
    message: str | None
    args: str | None
    args_size: int
    until: datetime | None


def calls(tx: Connection[Any], search: Search, limit: int) -> list[Listed]:
    """The calls that fit, those that matter first. One more than fits on a page says that there is
    another page.
    """
    parameters = {name: getattr(search, name) for name in Search.__slots__ if name != "state"}
    parameters["args"] = None if search.args is None else list(search.args)
    parameters |= {"limit": limit, "through": LOOK_THROUGH}
    if search.state == "failed":
        found = tx.execute(FAILED_THROUGH, parameters).fetchone() if search.filters else None
        parameters["earliest_at"], parameters["earliest_id"] = found or ("-infinity", 0)
    with tx.cursor(row_factory=class_row(Listed)) as cursor:
        # Not prepared: a plan for whatever filters walks an index row by row, twice as long.
        return cursor.execute(STATEMENTS[search.state], parameters, prepare=False).fetchall()


def counts(tx: Connection[Any]) -> dict[str, int]:
    """How many calls are in each state, none above COUNTED + 1."""
    row = tx.execute(COUNTS, {"cap": COUNTED}).fetchall()[0]
    return dict(zip(("ready", "running", "scheduled", "failed", "done"), row, strict=True))


def exists(tx: Connection[Any], id: int) -> bool:
    """Whether there is such a call."""
    return tx.execute(WHERE_IS, {"id": id}).fetchone() is not None


def jobs(tx: Connection[Any]) -> list[str]:
    """The names of the jobs that some worker or migration has declared."""
    return [row[0] for row in tx.execute(JOBS)]
