"""The marketplace's timetable with every task due at one minute, so that a whole night passes while
somebody watches.
"""

from forecourt import Timetable
from forecourt.marketplace import timetable as marketplace

usual = marketplace.timetable
"""The marketplace's own."""


def tonight(at: str) -> Timetable:
    """The marketplace's tasks under their own names, with their own jobs and arguments, each due
    daily at `at` (HH:MM, UTC).
    """
    night = Timetable("UTC")
    for task in usual:
        night.add(task.job, name=task.name, **task.args).daily_at(at).describe(task.description)
    return night
