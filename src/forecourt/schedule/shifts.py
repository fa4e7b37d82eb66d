"""What a zone's clock does near an instant, in words: why a task was due an hour off, or once and
not twice.
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from forecourt.language import gettext as _
from forecourt.schedule.occurrences import DAY, offset_of, shift_between
from forecourt.schedule.task import Task


def shift_near(task: Task, at: datetime) -> str:
    """The zone and its offset at `at`, and the change of its clock within a day of that, with what
    it means for the task.
    """
    zone = task.zone
    here = f"{zone.key}, {_utc(offset_of(at, zone))}"
    shift = shift_of(task, at)
    if shift is None:
        return _("%(zone)s; its clock does not change within a day", zone=here)
    change = offset_of(shift, zone) - offset_of(shift - timedelta(seconds=1), zone)
    first = (shift + offset_of(shift, zone) - max(change, timedelta())).replace(tzinfo=None)
    last = first + abs(change)
    facts = {"zone": here, "first": f"{first:%H:%M}", "last": f"{last:%H:%M}", "day": f"{first:%Y-%m-%d}"}
    forward = change > timedelta()
    if forward:
        words = _("%(zone)s; %(first)s to %(last)s does not exist on %(day)s", **facts)
    else:
        words = _("%(zone)s; %(first)s to %(last)s comes twice on %(day)s", **facts)
    if task.wall_times().by_elapsed_time:
        return _("%(shift)s; intervals go by elapsed time", shift=words)
    if forward and at == shift:
        return _("%(shift)s; due at the end of the gap", shift=words)
    if not forward and first <= _wall(at, zone) < last:
        return _("%(shift)s; due the first time", shift=words)
    return words


def shift_of(task: Task, at: datetime) -> datetime | None:
    """When the clock of its zone changes within a day of `at`; None if it does not."""
    before, after = at - DAY, at + DAY
    if offset_of(before, task.zone) == offset_of(after, task.zone):
        return None
    return shift_between(before.astimezone(UTC).replace(microsecond=0), after.astimezone(UTC), task.zone)


def _wall(at: datetime, zone: ZoneInfo) -> datetime:
    return at.astimezone(zone).replace(tzinfo=None)


def _utc(offset: timedelta) -> str:
    minutes = int(offset.total_seconds()) // 60
    return f"UTC{'+' if minutes >= 0 else '-'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
