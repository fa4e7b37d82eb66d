"""Adds, edits and removes tasks while the application runs. Those of the code stay the code's."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from psycopg import Connection

from forecourt.jobs.job import Job
from forecourt.schedule import stored
from forecourt.schedule.errors import TimetableError, UnknownTaskError
from forecourt.schedule.task import Task
from forecourt.schedule.timetable import Timetable
from forecourt.store import audit, json_text, tasks
from forecourt.store import stored_tasks as store
from forecourt.store.stored_tasks import StoredTask

Jobs = Mapping[str, Job[..., Any]]


def add(tx: Connection[Any], timetable: Timetable, jobs: Jobs, task: StoredTask, *, who: str) -> Task:
    """Store a task; every clock takes it up within a second, or at its next run from crontab.

    Raises TimetableError when the timetable's own rules refuse it, or its name is taken.
    """
    if task.name in timetable:
        raise TimetableError(
            f"task {task.name!r} is the code's ({timetable[task.name].place}): give this one a name of its own, --name"
        )
    checked, task = _checked(timetable, jobs, task)
    if not store.add(tx, task, json_text.dumps(task.args), who):
        raise TimetableError(f"task {task.name!r} is stored already: edit it, or give this one another name")
    audit.record(tx, who, "schedule add", {"task": task.name, "job": task.job, "cron": task.cron}, 1)
    return checked


def edit(
    tx: Connection[Any], timetable: Timetable, jobs: Jobs, name: str, changes: Mapping[str, Any], *, who: str
) -> Task:
    """Change fields of a stored task. One that is due at other times from now on begins with this
    minute.

    Raises TimetableError when the rules refuse it, UnknownTaskError when no stored task has this
    name.
    """
    checked, task = _checked(timetable, jobs, replace(_locked(tx, timetable, name), **changes))
    store.edit(tx, task, json_text.dumps(task.args), who)
    audit.record(tx, who, "schedule edit", {"task": name, "changed": sorted(changes)}, 1)
    return checked


def remove(tx: Connection[Any], timetable: Timetable, name: str, *, who: str) -> StoredTask:
    """Forget a stored task, and return what it was. What it has enqueued still runs; its history
    stays.

    Raises UnknownTaskError when no stored task has this name.
    """
    tasks.take_turn(tx)  # a clock that knows of it either has made it known by now, or does not
    task = _locked(tx, timetable, name)
    store.remove(tx, name)
    audit.record(tx, who, "schedule remove", {"task": name, "job": task.job, "cron": task.cron}, 1)
    return task


def _locked(tx: Connection[Any], timetable: Timetable, name: str) -> StoredTask:
    if found := store.locked(tx, name):
        return found
    if name in timetable:
        raise UnknownTaskError(f"task {name!r} is the code's ({timetable[name].place}): change it there and deploy")
    names = [one.name for one in store.every(tx)]
    raise UnknownTaskError(f"no stored task is named {name!r}; there is {', '.join(names) or 'none'}")


def _checked(timetable: Timetable, jobs: Jobs, task: StoredTask) -> tuple[Task, StoredTask]:
    """The task, and what is kept of it: with its zone, as two applications that share a database
    and know the job must agree about when it is due.
    """
    checked = stored.enter(timetable.copy(), task, jobs)
    return checked, replace(task, timezone=checked.zone.key)
