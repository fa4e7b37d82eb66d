"""Tasks that were added while the application ran: read by the same rules as those of its code,
beside them.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from forecourt.jobs.job import Job
from forecourt.schedule.errors import TimetableError
from forecourt.schedule.task import Task
from forecourt.schedule.timetable import Timetable
from forecourt.store.stored_tasks import StoredTask

log = logging.getLogger("forecourt.clock")


def enter(timetable: Timetable, stored: StoredTask, jobs: Mapping[str, Job[..., Any]]) -> Task:
    """Add a stored task to a timetable. Raises TimetableError for one that the code could not have
    added either.
    """
    if stored.job not in jobs:
        raise TimetableError(f"task {stored.name!r}: there is no job {stored.job!r} in this application")
    place = f"added while it ran, by {stored.changed_by}" if stored.changed_by else "added while it runs"
    task = timetable.enter(jobs[stored.job], stored.name, stored.args, place)
    task.is_stored = True
    task.cron(stored.cron)
    if stored.timezone:
        task.timezone(stored.timezone)
    task.using(queue=stored.queue, priority=stored.priority)
    if stored.description:
        task.describe(stored.description)
    task.wall_times()
    return task


def merged(timetable: Timetable, stored: Sequence[StoredTask], jobs: Mapping[str, Job[..., Any]]) -> Timetable:
    """The timetable, with the stored tasks behind those of the code. One that this application
    cannot follow is left out: its name is the code's by now, or its job is another application's or
    gone."""
    if not stored:
        return timetable
    both = timetable.copy()
    for one in stored:
        before = both.copy()
        try:
            enter(both, one, jobs)
        except TimetableError as mistake:
            log.debug("a stored task is left out: %s", mistake, extra={"task": one.name})
            both = before
    return both
