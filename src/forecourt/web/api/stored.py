"""Tasks that are added, edited and removed while the application runs; and why a task is due or
not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import orjson
from annotated_types import Ge, Le, Len, MaxLen
from psycopg import Connection

from forecourt.store.stored_tasks import StoredTask
from forecourt.web.api.errors import NotFound, Unreadable
from forecourt.web.api.parameters import Name, Priority, Words

if TYPE_CHECKING:
    from forecourt.app import Forecourt
    from forecourt.schedule.task import Task

Cron = Annotated[str, Len(1, 200)]
NameOrNone = Annotated[str, MaxLen(200)]
Count = Annotated[int, Ge(1), Le(100)]


@dataclass(frozen=True, slots=True)
class Stored:
    """A task as it stands now, and when it is due next."""

    task: str
    sentence: str
    cron: str
    timezone: str
    next_due: datetime


@dataclass(frozen=True, slots=True)
class Removed:
    """A task that is no more, with all that would add it again. Its history stays, and what it has
    enqueued still runs.
    """

    task: str
    job: str
    cron: str
    args: dict[str, Any]
    timezone: str | None
    queue: str | None
    priority: int | None
    description: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the clock looks at. `allows` is null where it neither allows nor forbids."""

    about: str
    words: str
    allows: bool | None


@dataclass(frozen=True, slots=True)
class Explained:
    """A due time, or an instant that is none: what becomes or became of it, and why."""

    at: datetime
    is_due: bool
    verdict: str
    findings: list[Finding]


@dataclass(frozen=True, slots=True)
class Explanation:
    """When a task is due, in words and as cron, and what was asked about, as of `now` by the
    database's clock. Its conditions are named, and not asked by a server.
    """

    task: str
    sentence: str
    cron: str
    timezone: str
    now: datetime
    instants: list[Explained]


def add(
    tx: Connection[Any],
    *,
    who: str,
    app: "Forecourt",
    job: Name,
    cron: Cron,
    name: Name | None = None,
    args: dict[str, Any] | None = None,
    timezone: Name | None = None,
    queue: Name | None = None,
    priority: Priority | None = None,
    description: Words = "",
) -> Stored:
    """Add a task that runs a job, beside those of the code; every clock takes it up at once. Its
    name is the job's unless given.
    """
    from forecourt.operations import stored_tasks
    from forecourt.schedule.errors import TimetableError

    task = StoredTask(name or job, job, _storable(args or {}), cron, timezone, queue, priority, description)
    try:
        return _stored(tx, stored_tasks.add(tx, app.timetable, app.jobs, task, who=who))
    except TimetableError as mistake:
        raise Unreadable(str(mistake)) from None


def edit(
    tx: Connection[Any],
    *,
    who: str,
    app: "Forecourt",
    task: Name,
    cron: Cron | None = None,
    args: dict[str, Any] | None = None,
    timezone: Name | None = None,
    queue: NameOrNone | None = None,
    priority: Priority | None = None,
    description: Words | None = None,
) -> Stored:
    """Change a task that was added. What is not given stays; `args` takes the place of all
    arguments, and an empty queue is the job's own again.
    """
    from forecourt.operations import stored_tasks
    from forecourt.schedule.errors import TimetableError, UnknownTaskError

    given = {
        "cron": cron, "args": None if args is None else _storable(args), "timezone": timezone, "queue": queue,
        "priority": priority, "description": description,
    }  # fmt: skip
    changes: dict[str, Any] = {field: value for field, value in given.items() if value is not None}
    if queue == "":
        changes["queue"] = None
    if not changes:
        raise Unreadable("nothing to change: give cron, args, timezone, queue, priority or description")
    try:
        return _stored(tx, stored_tasks.edit(tx, app.timetable, app.jobs, task, changes, who=who))
    except UnknownTaskError as error:
        raise NotFound(str(error)) from None
    except TimetableError as mistake:
        raise Unreadable(str(mistake)) from None


def remove(tx: Connection[Any], *, who: str, app: "Forecourt", task: Name) -> Removed:
    """Remove a task that was added."""
    from forecourt.operations import stored_tasks
    from forecourt.schedule.errors import UnknownTaskError

    try:
        gone = stored_tasks.remove(tx, app.timetable, task, who=who)
    except UnknownTaskError as error:
        raise NotFound(str(error)) from None
    return Removed(
        gone.name, gone.job, gone.cron, dict(gone.args), gone.timezone, gone.queue, gone.priority, gone.description
    )


def explain(
    tx: Connection[Any],
    *,
    app: "Forecourt",
    near: bool = False,
    task: Name,
    at: datetime | None = None,
    count: Count = 1,
) -> Explanation:
    """Why a task will run, or not: its next due times, or the one in whose minute `at` lies, past
    or to come.
    """
    from forecourt.schedule import explanation
    from forecourt.schedule.errors import UnknownTaskError
    from forecourt.settings import settings
    from forecourt.store import tasks

    try:
        known, now, environment = app.schedule(tx)[task], tasks.now(tx), settings().environment
    except UnknownTaskError as error:
        raise NotFound(str(error)) from None
    if at is None:
        found = explanation.upcoming(tx, known, now, environment=environment, ask=near, count=count)
    else:
        try:
            found = explanation.at_instant(tx, known, at, now, environment=environment, ask=near)
        except (OverflowError, ValueError):
            raise Unreadable(f"at: {at.isoformat()} is beyond all calendars") from None
    explained = [
        Explained(one.at, one.is_due, one.verdict, [Finding(it.about, it.words, it.allows) for it in one.findings])
        for one in found
    ]
    return Explanation(known.name, known.sentence, str(known.cron), known.zone.key, now, explained)


def _stored(tx: Connection[Any], task: "Task") -> Stored:
    from forecourt.store import tasks

    return Stored(task.name, task.sentence, str(task.cron), task.zone.key, task.next_due(tasks.now(tx)))


def _storable(args: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments that a row can keep. Raises Unreadable."""
    try:
        text = orjson.dumps(args)
    except TypeError as error:
        raise Unreadable(f"args: {error}") from None
    if b"\\u0000" in text:
        raise Unreadable("args: there is a NUL in them, which PostgreSQL does not store")
    return dict(args)
