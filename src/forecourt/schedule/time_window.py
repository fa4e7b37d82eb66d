"""Times of day, and the windows between two of them."""

import re
from dataclasses import dataclass

from forecourt.schedule.errors import TimetableError

TIME = re.compile(r"([0-9]{1,2})(?::([0-9]{1,2}))?")


def minute_of_day(text: str) -> int:
    """Minutes after midnight of "9:30", "09:30" or "9". Raises TimetableError for anything else."""
    match = TIME.fullmatch(text) if isinstance(text, str) else None
    if match and int(match[1]) < 24 and int(match[2] or 0) < 60:
        return int(match[1]) * 60 + int(match[2] or 0)
    raise TimetableError(f"{text!r} is not a time of day: write hours and minutes from '00:00' to '23:59'")


def time_of_day(minute: int) -> str:
    """A minute of the day as HH:MM."""
    return f"{minute // 60:02}:{minute % 60:02}"


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """The minutes of a day from `start` to `end`, both included; past midnight when `end` is the
    earlier.

    Compared with the time that the timetable names, so a due time that a clock change moved stays
    inside its window.
    """

    start: int
    end: int
    inside: bool = True
    """Whether due times must lie inside; otherwise outside."""

    def admits(self, minute: int) -> bool:
        """Whether a time of day, in minutes after midnight, may be due."""
        if self.start <= self.end:
            return (self.start <= minute <= self.end) is self.inside
        return (minute >= self.start or minute <= self.end) is self.inside

    def __str__(self) -> str:
        words = "between" if self.inside else "except between"
        return f"{words} {time_of_day(self.start)} and {time_of_day(self.end)}"
