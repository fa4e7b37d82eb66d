"""Tasks that were added while the application ran: read by the same rules as those of its code,
beside them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from forecourt.jobs.job import Job
from forecourt.schedule.errors import TimetableError
from forecourt.schedule.task import Task
from forecourt.schedule.timetable import Timetable
from forecourt.store.stored_tasks import StoredTask


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


def merged(
    timetable: Timetable, stored: Sequence[StoredTask], jobs: Mapping[str, Job[..., Any]]
) -> tuple[Timetable, dict[str, str]]:
    """The timetable, with the stored tasks behind those of the code, and those that no longer fit
    their job, each with the reason. Left out without a word is one whose name is the code's by now,
    or whose job is another application's or gone."""
    both, unfit = timetable, dict[str, str]()
    for one in stored:
        if one.job not in jobs or one.name in timetable:
            continue
        more = both.copy()
        try:
            enter(more, one, jobs)
            both = more
        except TimetableError as mistake:
            unfit[one.name] = str(mistake)
    return both, unfit
