"""What a zone's clock does near an instant, in words: why a task was due an hour off, or once and not twice."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from forecourt.schedule.occurrences import DAY, offset_of, shift_between
from forecourt.schedule.task import Task


def shift_near(task: Task, at: datetime) -> str:
    """The zone and its offset at `at`, and the change of its clock within a day of that, with what it means for the task."""
    zone = task.zone
    here = f"{zone.key}, {_utc(offset_of(at, zone))}"
    before, after = at - DAY, at + DAY
    if offset_of(before, zone) == offset_of(after, zone):
        return f"{here}; its clock does not change within a day"
    shift = shift_between(before.astimezone(UTC).replace(microsecond=0), after.astimezone(UTC), zone)
    change = offset_of(shift, zone) - offset_of(shift - timedelta(seconds=1), zone)
    first = (shift + offset_of(shift, zone) - max(change, timedelta())).replace(tzinfo=None)
    last = first + abs(change)
    span = f"{first:%H:%M} to {last:%H:%M}"
    forward = change > timedelta()
    words = f"{span} {'does not exist' if forward else 'comes twice'} on {first:%Y-%m-%d}"
    if task.wall_times().cron.by_elapsed_time:
        return f"{here}; {words}; intervals go by elapsed time"
    if forward and at == shift:
        return f"{here}; {words}; due at the end of the gap"
    if not forward and first <= _wall(at, zone) < last:
        return f"{here}; {words}; due the first time"
    return f"{here}; {words}"


def _wall(at: datetime, zone: ZoneInfo) -> datetime:
    return at.astimezone(zone).replace(tzinfo=None)


def _utc(offset: timedelta) -> str:
    minutes = int(offset.total_seconds()) // 60
    return f"UTC{'+' if minutes >= 0 else '-'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
