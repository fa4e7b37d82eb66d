"""Reads due times and what became of them: the latest of all, a task's last ones, each task from
the end of its own index.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

LATEST_OF_ALL = """
SELECT id, task, due_at, host, status, why, call_id, claimed_at, started_at, finished_at, output, overdue_at,
       triggered_by
FROM forecourt.ticks
WHERE (%(task)s::text IS NULL OR task = %(task)s)
ORDER BY due_at DESC, id DESC
LIMIT %(limit)s
"""

# A walk from the end of the unique index for each task, however long its history.
BY_TASK = """
SELECT tick.*
FROM unnest(%(tasks)s::text[]) AS named(task)
CROSS JOIN LATERAL (
    SELECT id, task, due_at, host, status, why, call_id, claimed_at, started_at, finished_at, output, overdue_at,
           triggered_by
    FROM forecourt.ticks
    WHERE ticks.task = named.task
      AND due_at >= %(first)s
      AND due_at < %(last)s
    ORDER BY due_at DESC
    LIMIT %(most)s
) AS tick
ORDER BY tick.due_at
"""

# The same walk, of which one row a task leaves the database: of five hundred tasks with thirty runs
# each, making the rows into objects takes longer than all the rest of a page.
PAST = """
SELECT named.task, past.*
FROM unnest(%(tasks)s::text[]) AS named(task)
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(due_at ORDER BY due_at), '{}') AS due,
           coalesce(array_agg(status ORDER BY due_at), '{}') AS statuses,
           coalesce(array_agg(greatest(0, date_part('epoch', finished_at - started_at)) ORDER BY due_at), '{}') AS seconds,
           coalesce(jsonb_agg(output ORDER BY due_at) FILTER (WHERE status = 'succeeded' AND output IS NOT NULL), '[]') AS outputs
    FROM (
        SELECT due_at, status, started_at, finished_at, CASE WHEN %(outputs)s THEN output END AS output
        FROM forecourt.ticks
        WHERE ticks.task = named.task
          AND due_at < %(before)s
        ORDER BY due_at DESC
        LIMIT %(most)s
    ) AS tick
) AS past
"""

# As PAST, where the middle of their lengths says enough.
USUAL_SECONDS = """
SELECT named.task, usual.seconds
FROM unnest(%(tasks)s::text[]) AS named(task)
CROSS JOIN LATERAL (
    SELECT greatest(0, percentile_cont(0.5) WITHIN GROUP (ORDER BY date_part('epoch', finished_at - started_at))) AS seconds
    FROM (
        SELECT status, started_at, finished_at
        FROM forecourt.ticks
        WHERE ticks.task = named.task
          AND due_at < %(before)s
        ORDER BY due_at DESC
        LIMIT %(most)s
    ) AS tick
    WHERE status = 'succeeded'
    HAVING count(finished_at - started_at) >= 3
) AS usual
"""

# As far back as TALLIED due times go. What a run under way kept from starting names that run.
TALLY = """
SELECT count(*) FILTER (WHERE status = 'missed') AS missed,
       count(*) FILTER (WHERE status = 'skipped' AND why LIKE 'the run of %%: call %%') AS overlapping,
       count(*) FILTER (WHERE status = 'skipped' AND why NOT LIKE 'the run of %%: call %%') AS otherwise,
       min(due_at) AS since
FROM (
    SELECT status, why, due_at
    FROM forecourt.ticks
    WHERE task = %(task)s
    ORDER BY due_at DESC
    LIMIT %(most)s
) AS latest
"""

TALLIED = 1000

# Walks the unique index from its end. A due time in the future is left from a clock that once ran
# ahead: it proves nothing.
LAST_SUCCESS = """
SELECT finished_at, now() - finished_at AS ago
FROM forecourt.ticks
WHERE task = %(task)s
  AND status = 'succeeded'
  AND due_at <= now()
ORDER BY due_at DESC
LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Tick:
    """One due time of a task, and what became of it."""

    id: int
    task: str
    due_at: datetime
    host: str
    status: str
    why: str | None
    call_id: int | None
    claimed_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    output: Any
    overdue_at: datetime | None = None
    """When it was found not to have ended by its deadline."""

    triggered_by: str | None = None
    """Who ran it by hand."""

    @property
    def seconds(self) -> float | None:
        """How long it ran; None if it did not, or does still."""
        if self.started_at is None or self.finished_at is None:
            return None
        return max(0.0, (self.finished_at - self.started_at).total_seconds())

    @property
    def late(self) -> float:
        """Seconds from its due time to its start, or to when it was entered."""
        return max(0.0, ((self.started_at or self.claimed_at) - self.due_at).total_seconds())

    @property
    def manual(self) -> bool:
        """Whether an operator triggered it: the timetable's due times are whole seconds."""
        return self.due_at.microsecond != 0


class Run(NamedTuple):
    """What a strip of the last runs shows of one: when it was due, what became of it, and how many
    seconds it ran, None if it did not, or does still.
    """

    due_at: datetime
    status: str
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Past:
    """A task's last runs, oldest first, and what those that succeeded returned."""

    runs: Sequence[Run] = ()
    outputs: Sequence[Any] = ()

    @property
    def usual(self) -> float | None:
        """The seconds that those took that succeeded, in the middle; None if none did."""
        seconds = [run.seconds for run in self.runs if run.status == "succeeded" and run.seconds is not None]
        return median(seconds) if seconds else None


@dataclass(frozen=True, slots=True)
class Tally:
    """How many of a task's latest due times did not run: no clock met them, a run was still under
    way, or they were skipped for another reason; and since when. None of them: since is None.
    """

    missed: int
    overlapping: int
    otherwise: int
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Success:
    """When a task last succeeded, and how long ago that was by the database's clock."""

    finished_at: datetime
    ago: timedelta


def history(tx: Connection[Any], *, task: str | None = None, limit: int = 50) -> list[Tick]:
    """The latest due times, of all tasks or of one, newest first."""
    with tx.cursor(row_factory=class_row(Tick)) as cursor:
        return cursor.execute(LATEST_OF_ALL, {"task": task, "limit": limit}).fetchall()


def between(
    tx: Connection[Any], tasks: Sequence[str], first: datetime, last: datetime, *, most: int
) -> dict[str, list[Tick]]:
    """The latest due times in [first, last), at most so many of a task, oldest first, by task."""
    return _by_task(tx, tasks, first, last, most)


def recent(tx: Connection[Any], task: str, *, most: int) -> list[Tick]:
    """The last due times of a task, oldest first."""
    return _by_task(tx, [task], "-infinity", "infinity", most)[task]


def past(
    tx: Connection[Any],
    tasks: Sequence[str],
    *,
    before: datetime | None = None,
    outputs: bool = False,
    most: int = 30,
) -> dict[str, Past]:
    """The last runs of each task in short; `before` leaves out what was due then or later. What
    they returned is there if `outputs` are asked for."""
    parameters = {"tasks": list(tasks), "before": before or "infinity", "outputs": outputs, "most": most}
    rows = tx.execute(PAST, parameters)
    return {
        task: Past(list(map(Run, due, statuses, seconds)), outputs) for task, due, statuses, seconds, outputs in rows
    }


def usual_seconds(tx: Connection[Any], tasks: Sequence[str], *, before: datetime, most: int = 30) -> dict[str, float]:
    """How long each task's runs take, in seconds: the middle of those of its last due times before
    `before` that succeeded. Tasks with fewer than three of them are missing."""
    rows = tx.execute(USUAL_SECONDS, {"tasks": list(tasks), "before": before, "most": most})
    return {task: float(seconds) for task, seconds in rows}


def latest(tx: Connection[Any], tasks: Sequence[str]) -> dict[str, Tick]:
    """Each task's latest due time; those without any are missing."""
    return {task: found[-1] for task, found in _by_task(tx, tasks, "-infinity", "infinity", 1).items() if found}


def tally(tx: Connection[Any], task: str) -> Tally:
    """What became of those of its latest TALLIED due times that did not run."""
    with tx.cursor(row_factory=class_row(Tally)) as cursor:
        return cursor.execute(TALLY, {"task": task, "most": TALLIED}).fetchall()[0]


def last_success(tx: Connection[Any], task: str) -> Success | None:
    """The success of the task's latest due time that has one; None when it never succeeded."""
    with tx.cursor(row_factory=class_row(Success)) as cursor:
        return cursor.execute(LAST_SUCCESS, {"task": task}).fetchone()


def _by_task(
    tx: Connection[Any], tasks: Sequence[str], first: datetime | str, last: datetime | str, most: int
) -> dict[str, list[Tick]]:
    found: dict[str, list[Tick]] = {task: [] for task in tasks}
    with tx.cursor(row_factory=class_row(Tick)) as cursor:
        for tick in cursor.execute(BY_TASK, {"tasks": list(tasks), "first": first, "last": last, "most": most}):
            found[tick.task].append(tick)
    return found
