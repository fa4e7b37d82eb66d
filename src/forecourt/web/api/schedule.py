"""The timetable: its tasks and their due times; running one now, halting and resuming."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Le
from psycopg import Connection

from forecourt.store import pauses, tasks, tick_history
from forecourt.store.pauses import Kind, Pause
from forecourt.store.tick_history import Tick
from forecourt.web.api.errors import Conflict, NotFound, Unreadable
from forecourt.web.api.parameters import Limit, Name, Words
from forecourt.web.api.queues import Paused, Resumed, require_future

if TYPE_CHECKING:
    from forecourt.app import Forecourt
    from forecourt.schedule.task import Task

Upcoming = Annotated[int, Ge(1), Le(100)]


@dataclass(frozen=True, slots=True)
class Last:
    """What became of a task's latest due time."""

    due_at: datetime
    status: str
    why: str | None
    finished_at: datetime | None
    output: Any
    call: int | None


@dataclass(frozen=True, slots=True)
class Described:
    """A task: when it is due in words and as cron, its next due times, what holds it back, how its
    latest due time ended. `stored`: it was added while the application ran. `next_due` is empty
    where this environment does not run it, as `next_due_human` says."""

    task: str
    job: str
    description: str
    stored: bool
    sentence: str
    cron: str
    repeat_seconds: int | None
    timezone: str
    environments: list[str]
    conditions: list[str]
    next_due: list[datetime]
    next_due_human: str
    paused: str | None
    last: Last | None


@dataclass(frozen=True, slots=True)
class Timetable:
    """Every task, as of `now` by the database's clock."""

    now: datetime
    tasks: list[Described]


@dataclass(frozen=True, slots=True)
class Declared:
    """The tasks of an application as its clock last ran them, as plain data by their names, since
    when they have been these, and `now`.
    """

    application: str
    now: datetime
    since: datetime
    tasks: dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Entered:
    """A run of a task, and the call that it is."""

    task: str
    call: int


def timetable(tx: Connection[Any], *, app: "Forecourt", upcoming: Upcoming = 1) -> Timetable:
    """Every task, with so many due times to come."""
    now = tasks.now(tx)
    known = app.schedule(tx)
    last = tick_history.latest(tx, [task.name for task in known])
    halted = pauses.in_force(tx)
    return Timetable(now, [_described(task, now, upcoming, last.get(task.name), halted) for task in known])


def task(tx: Connection[Any], *, app: "Forecourt", task: Name, upcoming: Upcoming = 5) -> Described:
    """One task."""
    found = _task(tx, app, task)
    last = tick_history.latest(tx, [task]).get(task)
    return _described(found, tasks.now(tx), upcoming, last, pauses.in_force(tx))


def declared(tx: Connection[Any]) -> Declared:
    """What the clock of this server's application last ran: what a deploy is compared with."""
    from forecourt.settings import settings
    from forecourt.store import timetables

    application = settings().app
    found = timetables.declared(tx, application)
    if found is None:
        raise NotFound(f"no clock of {application} has run on this database yet")
    return Declared(application, tasks.now(tx), found.since, found.tasks)


def history(tx: Connection[Any], *, app: "Forecourt", task: Name | None = None, limit: Limit = 30) -> list[Tick]:
    """The latest due times, of all tasks or of one, newest first, and what became of them."""
    if task is not None:
        _task(tx, app, task)
    return tick_history.history(tx, task=task, limit=limit)


def trigger(tx: Connection[Any], *, who: str, app: "Forecourt", task: Name) -> Entered:
    """Enter a run of a task now, on a worker, whatever its time, conditions and pauses; its history
    shows it.
    """
    from forecourt.operations import triggering

    try:
        return Entered(task, triggering.trigger(tx, _task(tx, app, task), who=who))
    except (triggering.Holding, triggering.NotEntered) as error:
        raise Conflict(str(error)) from None


def pause(
    tx: Connection[Any],
    *,
    who: str,
    app: "Forecourt",
    task: Name | None = None,
    group: Name | None = None,
    until: datetime | None = None,
    why: Words = "",
) -> Paused:
    """Skip due times: of a task, of a group, or, if neither is named, of all tasks. What runs goes
    on.
    """
    from forecourt.operations import pausing

    kind, name = _target(tx, app, task, group)
    require_future(tx, until)
    pausing.pause(tx, kind, name, until=until, why=why, who=who)
    return Paused(kind, name, until)


def resume(
    tx: Connection[Any], *, who: str, app: "Forecourt", task: Name | None = None, group: Name | None = None
) -> Resumed:
    """Go on with a task, a group, or the whole schedule. What was skipped meanwhile stays
    skipped.
    """
    from forecourt.operations import pausing

    kind, name = _target(tx, app, task, group)
    if not pausing.resume(tx, kind, name, who=who):
        raise NotFound(f"{words(kind, name)} is not paused")
    return Resumed(kind, name)


def words(kind: str, name: str) -> str:
    """What is paused, at the beginning of a sentence."""
    return "The whole schedule" if kind == "schedule" else f"{kind.capitalize()} {name}"


def _target(tx: Connection[Any], app: "Forecourt", task: str | None, group: str | None) -> tuple[Kind, str]:
    if task is not None and group is not None:
        raise Unreadable("give a task or a group, not both")
    if group is not None:
        groups = sorted({known for one in app.schedule(tx) for known in one.groups})
        if group not in groups:
            raise NotFound(f"no group is named {group!r}; there is {', '.join(groups) or 'none'}")
        return "group", group
    return ("schedule", "") if task is None else ("task", _task(tx, app, task).name)


def _task(tx: Connection[Any], app: "Forecourt", name: str) -> "Task":
    from forecourt.schedule.errors import UnknownTaskError

    try:
        return app.schedule(tx)[name]
    except UnknownTaskError as error:
        raise NotFound(str(error)) from None


def _described(
    task: "Task", now: datetime, upcoming: int, last: Tick | None, halted: dict[tuple[str, str], Pause]
) -> Described:
    from forecourt.durations import relative
    from forecourt.schedule.clock import pause_of
    from forecourt.settings import settings

    instants = []
    at = now
    for _ in range(upcoming):
        at = task.next_due(at)
        instants.append(at)
    paused = pause_of(task, halted)
    here = task.runs_in(settings().environment)
    return Described(
        task=task.name,
        job=task.job.name,
        description=task.description,
        stored=task.is_stored,
        sentence=task.sentence,
        cron=str(task.cron),
        repeat_seconds=task.repeat_seconds,
        timezone=task.zone.key,
        environments=list(task.rules.environments),
        conditions=[str(condition) for condition in task.rules.conditions],
        next_due=instants if here else [],
        next_due_human=relative(instants[0], now) if here else f"not in this environment, {settings().environment}",
        paused=None if paused is None else str(paused),
        last=None
        if last is None
        else Last(last.due_at, last.status, last.why, last.finished_at, last.output, last.call_id),
    )
