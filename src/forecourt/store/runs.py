"""Due times as pages show them: those of a night, and a task's last ones, each task from the end of its own index."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

BETWEEN = """
SELECT run.*
FROM unnest(%(tasks)s::text[]) AS named(task)
CROSS JOIN LATERAL (
    SELECT id, task, due_at, host, status, why, call_id, claimed_at, started_at, finished_at, output
    FROM forecourt.ticks
    WHERE ticks.task = named.task
      AND due_at >= %(first)s
      AND due_at < %(last)s
    ORDER BY due_at DESC
    LIMIT %(most)s
) AS run
ORDER BY run.due_at
"""

RECENT = """
SELECT run.*
FROM unnest(%(tasks)s::text[]) AS named(task)
CROSS JOIN LATERAL (
    SELECT id, task, due_at, host, status, why, call_id, claimed_at, started_at, finished_at, output
    FROM forecourt.ticks
    WHERE ticks.task = named.task
      AND due_at < %(before)s
    ORDER BY due_at DESC
    LIMIT %(most)s
) AS run
ORDER BY run.due_at
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One due time and what became of it."""

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
    def by_hand(self) -> bool:
        """Whether an operator asked for it: the timetable's due times are whole seconds."""
        return self.due_at.microsecond != 0


def between(
    tx: Connection[Any], tasks: Sequence[str], first: datetime, last: datetime, *, most: int
) -> dict[str, list[Run]]:
    """The latest runs that were due in [first, last), at most so many of a task, oldest first, by task."""
    parameters = {"tasks": list(tasks), "first": first, "last": last, "most": most}
    with tx.cursor(row_factory=class_row(Run)) as cursor:
        return _by_task(tasks, cursor.execute(BETWEEN, parameters).fetchall())


def recent(
    tx: Connection[Any], tasks: Sequence[str], *, before: datetime | None = None, most: int = 30
) -> dict[str, list[Run]]:
    """The last runs of each task, oldest first; `before` leaves out what was due then or later."""
    parameters = {"tasks": list(tasks), "before": before or "infinity", "most": most}
    with tx.cursor(row_factory=class_row(Run)) as cursor:
        return _by_task(tasks, cursor.execute(RECENT, parameters).fetchall())


def _by_task(tasks: Sequence[str], runs: Sequence[Run]) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {task: [] for task in tasks}
    for run in runs:
        found[run.task].append(run)
    return found
