"""The instants at which a cron expression is due in a time zone.

A time of day that a zone skips is due at the first instant after the gap; one that comes twice is
due the first time. Intervals go by elapsed time: every half hour is every real half hour, whatever
the wall clock does.

cronsim's own iteration is not used: it starts days at a midnight which Cairo and Beirut skip once a
year, and walks by whole hours through Lord Howe's half-hour shifts; both lose due times.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from itertools import dropwhile
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

from forecourt.schedule.cron import Cron, parse_cron
from forecourt.schedule.errors import TimetableError
from forecourt.schedule.time_window import TimeWindow

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)

ShiftPolicy: TypeAlias = Literal["wall", "elapsed"]
"""What a shift of a zone's clock does to due times. wall: each named time comes once, as the clock
on the wall shows or skips it; elapsed: an interval goes on."""


@dataclass(frozen=True, slots=True)
class WallTimes:
    """Due times on the wall clock: a cron expression, held inside windows, repeated within the
    minute.
    """

    cron: Cron
    minutes: tuple[int, ...]
    repeat_seconds: int | None
    by_elapsed_time: bool
    """Whether it is an interval, which no shift of the zone's clock lengthens or shortens, and not
    times of day.
    """

    @property
    def lasts(self) -> timedelta:
        """How long a due time is "now": its minute, or its second when it repeats within the
        minute.
        """
        return SECOND if self.repeat_seconds else MINUTE

    def walls_from(self, start: datetime) -> Iterator[datetime]:
        """The naive wall times that are due, from `start` on, ascending."""
        begun = start.second > 0 or start.microsecond > 0
        earliest = bisect_left(self.minutes, start.hour * 60 + start.minute + begun)
        for day in self.cron.days_from(start.date()):
            midnight = datetime.combine(day, time())
            first = earliest if day == start.date() else 0
            for minute in self.minutes[first:]:
                yield midnight + timedelta(minutes=minute)


@lru_cache(maxsize=1024)
def wall_times(
    expression: str,
    repeat_seconds: int | None = None,
    windows: tuple[TimeWindow, ...] = (),
    shift_policy: ShiftPolicy | None = None,
) -> WallTimes:
    """Read an expression. Raises TimetableError if it is wrong, if the windows leave none of its
    times, or if it cannot have the shift policy: `elapsed` is for what runs in every hour, `wall`
    for what does not repeat within the minute. Without one, a plain star as the hour means
    `elapsed`."""
    cron = parse_cron(expression)
    minutes = tuple(minute for minute in cron.minutes if all(window.admits(minute) for window in windows))
    if not minutes:
        raise TimetableError(f"{expression!r} is never due {' and '.join(map(str, windows))}: widen the window")
    if shift_policy == "elapsed" and len(cron.rule.hours) < 24:
        raise TimetableError(
            f"{expression!r} names times of day, so shift_policy('elapsed') does not go with it: leave it out"
        )
    if shift_policy == "wall" and repeat_seconds is not None:
        raise TimetableError(f"every {repeat_seconds} seconds is an interval: leave out shift_policy('wall')")
    by_elapsed_time = cron.by_elapsed_time if shift_policy is None else shift_policy == "elapsed"
    return WallTimes(cron, minutes, repeat_seconds, by_elapsed_time)


def occurrences(rule: WallTimes, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Every due instant later than `after`, in UTC, strictly ascending, lazily. Raises ValueError
    for a naive one.
    """
    return _instants(rule, zone, aware(after).astimezone(UTC))


def aware(instant: datetime) -> datetime:
    """`instant` itself. Raises ValueError if it has no time zone."""
    if instant.utcoffset() is None:
        raise ValueError(f"{instant!r} has no time zone: pass an aware datetime, such as datetime.now(UTC)")
    return instant


def _instants(rule: WallTimes, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    if not rule.by_elapsed_time:
        yield from _times_of_day(rule, zone, after)
    elif rule.repeat_seconds is None:
        yield from _intervals(rule, zone, after)
    else:
        steps = [timedelta(seconds=second) for second in range(0, 60, rule.repeat_seconds)]
        instants = (minute + step for minute in _intervals(rule, zone, after - MINUTE) for step in steps)
        yield from dropwhile(after.__ge__, instants)


def _times_of_day(rule: WallTimes, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    last = after
    for wall in rule.walls_from(after.astimezone(zone).replace(tzinfo=None)):
        instant = _first_reached(wall, zone)
        if instant > last:  # several times within one gap are due once, at its end
            yield instant
            last = instant


def _first_reached(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first instant at which the zone's clock shows `wall` or has jumped over it."""
    instant = wall.replace(tzinfo=zone).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == wall:
        return instant
    return shift_between(wall.replace(tzinfo=zone, fold=1).astimezone(UTC), instant, zone)


def _intervals(rule: WallTimes, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Walk stretches of constant UTC offset: within one, wall time and elapsed time are the same
    thing.
    """
    start = after.replace(microsecond=0)
    while True:
        offset = offset_of(start, zone)
        end = start + DAY
        shifted = offset_of(end, zone) != offset
        if shifted:
            end = shift_between(start, end, zone)
        for wall in rule.walls_from((start + offset).replace(tzinfo=None)):
            instant = wall.replace(tzinfo=UTC) - offset
            if instant >= end:
                break
            if instant > after:
                yield instant
        else:
            return
        # No later shift can move this next due time by more than a day, and what one repeats was
        # due shortly before it: unless one follows at once, what lies between is empty.
        start = end if shifted or offset_of(end + DAY, zone) != offset else max(end, instant - DAY)


def offset_of(instant: datetime, zone: ZoneInfo) -> timedelta:
    """How far ahead of UTC the zone's clock is at an instant."""
    offset = instant.astimezone(zone).utcoffset()
    assert offset is not None
    return offset


def shift_between(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The instant, to the second, from which the zone's offset is no longer that of `before`."""
    offset = offset_of(before, zone)
    while after - before > SECOND:
        middle = before + (after - before) // SECOND // 2 * SECOND
        if offset_of(middle, zone) == offset:
            before = middle
        else:
            after = middle
    return after
