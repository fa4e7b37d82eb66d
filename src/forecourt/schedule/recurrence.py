"""What a chain of frequency words adds up to: a pattern, a time of day, weekdays; together, one
cron expression.

Each of the three is said once. A word that would undo an earlier one is refused; other schedulers
keep the last word.
"""

from dataclasses import dataclass, replace

from forecourt.schedule.cron import ANY, cron_fields
from forecourt.schedule.errors import TimetableError
from forecourt.schedule.time_window import time_of_day


@dataclass(frozen=True, slots=True)
class Pattern:
    """One frequency word, as cron fields."""

    word: str
    minute: str | None = None
    """None: the pattern takes a time of day, midnight unless one is given."""

    hour: str = "*"
    day: str = "*"
    month: str = "*"
    weekday: str = "*"
    """The day of week when no other word names one."""

    repeat_seconds: int | None = None
    cron: str | None = None
    """A whole expression, which leaves nothing for other words to say."""

    @property
    def takes_time(self) -> bool:
        """Whether a time of day may be given to it."""
        return self.minute is None and self.cron is None


EVERY_MINUTE = Pattern("every_minute", minute="*")
DAILY = Pattern("daily")
WEEKLY = Pattern("weekly", weekday="0")


@dataclass(frozen=True, slots=True)
class Recurrence:
    """Pattern, time of day (in minutes after midnight) and weekdays, each None while unsaid."""

    pattern: Pattern | None = None
    time: int | None = None
    weekdays: str | None = None
    of_pattern: frozenset[str] = frozenset()
    """Which of `time` and `weekdays` the frequency word itself named, as daily_at and weekly_on do:
    they go with it.
    """
    drops: str | None = None
    """What is wrong with it inside its group, found out when the two met."""

    def every(self, pattern: Pattern) -> "Recurrence":
        """With a pattern. Raises TimetableError if there is one, or if it would drop what was
        said.
        """
        if "" in (pattern.minute, pattern.hour, pattern.day, pattern.month):
            raise TimetableError(f"{pattern.word} names nothing: give it at least one value")
        if self.pattern is not None:
            if self.pattern.word == pattern.word:
                raise TimetableError(f"{pattern.word} is said twice: keep one")
            raise TimetableError(
                f"{self.pattern.word} and {pattern.word} are two frequencies: keep one, or add the job twice, "
                "under two names"
            )
        if self.time is not None:
            raise TimetableError(
                f"the time {time_of_day(self.time)} comes before {pattern.word}, which would drop it: "
                "name the frequency first, then the time"
            )
        if self.weekdays is not None and pattern.weekday != "*":
            raise TimetableError(
                f"the weekdays {self.weekdays} come before {pattern.word}, which would drop them: name the frequency first"
            )
        return replace(self, pattern=pattern)

    def at(self, time: int) -> "Recurrence":
        """With a time of day. Raises TimetableError if there is one."""
        if self.time is not None:
            raise TimetableError(
                f"{time_of_day(self.time)} and {time_of_day(time)} are two times: keep one, use "
                "twice_daily_at, or add the job twice, under two names"
            )
        return replace(self, time=time)

    def on(self, weekdays: str) -> "Recurrence":
        """With weekdays. Raises TimetableError if there are some."""
        if not weekdays:
            raise TimetableError("no weekday is named: give at least one, as in days(MONDAY, FRIDAY)")
        if self.weekdays is not None:
            raise TimetableError(
                f"the weekdays are named twice, {self.weekdays} and {weekdays}: name all of them in one days(...)"
            )
        return replace(self, weekdays=weekdays)

    def within(self, outer: "Recurrence") -> "Recurrence":
        """This, and from a group's what this leaves open."""
        time = outer.time if self.time is None else self.time
        weekdays = outer.weekdays if self.weekdays is None else self.weekdays
        if self.pattern is None:
            return Recurrence(outer.pattern, time, weekdays, outer.of_pattern, outer.drops)
        # Its own frequency takes the place of the group's, with all that the group's frequency word
        # had named.
        if self.time is None and ("time" in outer.of_pattern or not self.pattern.takes_time):
            time = None
        if self.weekdays is None and "weekdays" in outer.of_pattern:
            weekdays = None
        drops = None
        if self.weekdays is None and weekdays is not None and self.pattern.weekday != "*":
            drops = (
                f"{self.pattern.word} would drop the weekdays {weekdays} of its group: say {self.pattern.word} and its days in "
                "one place"
            )
        return Recurrence(self.pattern, time, weekdays, self.of_pattern, drops)

    @property
    def cron(self) -> str:
        """The cron expression. Raises TimetableError if the three do not go together."""
        pattern = self.pattern or (EVERY_MINUTE if self.time is None else DAILY)
        if self.time is not None and not pattern.takes_time:
            raise TimetableError(
                f"{pattern.word} says itself when it is due; the time {time_of_day(self.time)} does not go with it: "
                "keep one"
            )
        if self.drops is not None:
            raise TimetableError(self.drops)
        fields = None if pattern.cron is None else cron_fields(pattern.cron)
        day = pattern.day if fields is None else fields[2]
        if self.weekdays is not None and fields is not None and fields[4] not in ANY:
            raise TimetableError(
                f"{pattern.cron!r} names its weekdays ({fields[4]}) in its fifth field, and others are {self.weekdays}: keep one"
            )
        if self.weekdays is not None and day not in ANY:
            raise TimetableError(
                f"{pattern.word} names days of the month ({day}), and the weekdays are {self.weekdays}: "
                "cron would run on either. Keep one and test the other in .when(...); "
                "cron('0 0 * * 1#1') is the first Monday"
            )
        if pattern.cron is not None:
            return pattern.cron if fields is None or self.weekdays is None else " ".join([*fields[:4], self.weekdays])
        hour, minute = divmod(self.time or 0, 60)
        clock = f"{minute} {hour}" if pattern.takes_time else f"{pattern.minute} {pattern.hour}"
        return f"{clock} {pattern.day} {pattern.month} {self.weekdays or pattern.weekday}"

    @property
    def repeat_seconds(self) -> int | None:
        """How often it repeats within each due minute, in seconds, at :00 first."""
        return self.pattern.repeat_seconds if self.pattern else None
