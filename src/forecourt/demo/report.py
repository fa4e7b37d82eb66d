"""What became of a night, as the database tells it, and whether that is what was promised."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from forecourt.database import in_transaction_of, session
from forecourt.demo.arrivals import Arrival, arrivals
from forecourt.demo.incidents import Incident, incidents
from forecourt.demo.night import Night
from forecourt.demo.places import Place, places, size
from forecourt.demo.timetable import usual
from forecourt.store import tick_history

# The calls of the tasks are left out: they have a table of their own.
JOBS = text(
    """
    WITH ended AS (
        SELECT id, job, queue, attempts, started_at, finished_at, outcome = 'finished' AS done
        FROM forecourt.done
        WHERE finished_at >= :began
          AND created_at >= :began
        UNION ALL
        SELECT id, job, queue, attempts, NULL, failed_at, false
        FROM forecourt.failed
        WHERE created_at >= :began
    )
    SELECT job,
           queue,
           count(*) FILTER (WHERE done) AS done,
           sum(attempts - 1)::bigint AS retried,
           count(*) FILTER (WHERE NOT done) AS failed,
           CASE
               WHEN count(*) FILTER (WHERE done) > 1
               THEN (count(*) FILTER (WHERE done)
                     / nullif(extract(epoch FROM max(finished_at) - min(started_at)), 0))::float8
           END AS per_second
    FROM ended
    WHERE id NOT IN (SELECT call_id FROM forecourt.ticks WHERE due_at = :due AND call_id IS NOT NULL)
    GROUP BY job, queue
    ORDER BY done DESC, job
    """
)
COUNTED = text("SELECT sum(views_count)::bigint FROM car_listings WHERE deleted_at IS NULL")
OPEN = text(
    """
    SELECT job, count(*) AS calls
    FROM (
        SELECT job FROM forecourt.ready WHERE created_at >= :began
        UNION ALL
        SELECT job FROM forecourt.running WHERE created_at >= :began
        UNION ALL
        SELECT job FROM forecourt.scheduled WHERE created_at >= :began
    ) AS waiting
    GROUP BY job
    ORDER BY job
    """
)
FAILED = text(
    """
    SELECT id, job, error, message
    FROM forecourt.failed
    WHERE created_at >= :began
      AND id <> ALL(:expected)
    ORDER BY id
    """
)


@dataclass(frozen=True, slots=True)
class TaskLine:
    """A task's due time tonight. `usual` is when it is due otherwise, `seconds` how long it took,
    `did` its own figures.
    """

    task: str
    usual: str
    due: datetime
    status: str
    seconds: float | None
    did: str


@dataclass(frozen=True, slots=True)
class JobLine:
    """What became of a job's calls. `per_second`: calls done, from the first start to the last end,
    if there were several."""

    job: str
    queue: str
    done: int
    retried: int
    failed: int
    per_second: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """A night in figures. `views_sent` counts those that a night broken off left waiting,
    `views_left` says how many that were. `off` says in sentences what is not as promised; empty
    after a good night."""

    night: int
    tasks: tuple[TaskLine, ...]
    jobs: tuple[JobLine, ...]
    views_sent: int
    views_left: int
    views_counted: int
    incidents: tuple[Incident, ...]
    arrivals: tuple[Arrival, ...]
    places: tuple[Place, ...]
    off: tuple[str, ...]


def report_on(night: Night) -> Report:
    """Read a night's figures."""
    began = night.before.began
    with session() as tx:
        tasks = tuple(_tasks(tx, night.due))
        jobs = tuple(JobLine(*row) for row in tx.execute(JOBS, {"began": began, "due": night.due}))
        sent = night.before.waiting + night.sent.views
        counted = tx.scalars(COUNTED).one() - night.before.counted
        happened = incidents(tx, night)
        came = tuple(arrivals(tx, began, night.sent.came_in))
        lies = places(tx, began, night.sent.photographed)
        off = [
            *(f"{line.task}: {line.status} {line.did}".rstrip() for line in tasks if line.status != "succeeded"),
            *([f"{counted:,} views were counted, {sent:,} were sent"] if counted != sent else []),
            *(incident.off for incident in happened if incident.off),
            *(arrival.off for arrival in came if arrival.off),
            *(place.off for place in lies if place.off),
            *_unexpected(tx, night),
        ]
    return Report(night.number, tasks, jobs, sent, night.before.waiting, counted, happened, came, lies, tuple(off))


def _tasks(tx: Session, due: datetime) -> Iterator[TaskLine]:
    latest = tick_history.latest(in_transaction_of(tx), [task.name for task in usual])
    for task in usual:
        tick = latest.get(task.name)
        if tick is None or tick.due_at != due:
            yield TaskLine(task.name, task.sentence, due, "not due", None, "")
            continue
        took = (tick.finished_at - tick.started_at).total_seconds() if tick.finished_at and tick.started_at else None
        yield TaskLine(task.name, task.sentence, due, tick.status, took, tick.why or _figures(tick.output))


def _unexpected(tx: Session, night: Night) -> Iterator[str]:
    expected = [night.sent.charge, night.sent.registry]
    for row in tx.execute(FAILED, {"began": night.before.began, "expected": expected}):
        yield f"call {row.id} of {row.job} failed: {row.error}: {row.message}"
    for row in tx.execute(OPEN, {"began": night.before.began}):
        yield f"{row.job}: {row.calls:,} calls are not done"


def _figures(output: Any) -> str:
    """What a run returned: "225 expired, 200 notifications"."""
    if not isinstance(output, dict):
        return ""
    return ", ".join(_figure(name, output[name]) for name in sorted(output, key=lambda name: name == "bytes"))


def _figure(name: str, value: Any) -> str:
    if name == "bytes":
        return size(value)
    words = name.replace("_", " ")
    if value == 1:
        words = words.removesuffix("s")
    return f"{value:,} {words}" if isinstance(value, int) else f"{words} {value}"
