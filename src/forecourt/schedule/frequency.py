"""The words that say when a task is due: `daily_at("00:01")`, `every_five_minutes()`,
`weekdays().hourly()`.

Each word means one cron expression (`cron`), and below a minute a repetition (`repeat_seconds`). An
entry without any is due every minute.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Generic, Self, TypeVar, get_args

from forecourt.schedule.cron import Field, field_text, fields_text
from forecourt.schedule.errors import TimetableError
from forecourt.schedule.fluent import Fluent
from forecourt.schedule.occurrences import ShiftPolicy
from forecourt.schedule.recurrence import EVERY_MINUTE, WEEKLY, Pattern, Recurrence
from forecourt.schedule.time_window import minute_of_day
from forecourt.schedule.zones import zone_named

SUNDAY, MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, SATURDAY = range(7)

Entry = TypeVar("Entry", bound="Frequency")


class CronWord(str, Generic[Entry]):
    """An entry's cron expression: text to read, and, called with an expression, the word that sets
    it.
    """

    __slots__ = ("_entry",)
    _entry: Entry

    @classmethod
    def of(cls, entry: Entry) -> "CronWord[Entry]":
        """The expression of `entry`."""
        word: CronWord[Entry] = cls(entry.rules.recurrence.cron)
        word._entry = entry
        return word

    def __call__(self, expression: str) -> Entry:
        """Be due as five cron fields, or a nickname such as @daily, say. No other frequency word
        goes with it.
        """
        return self._entry._by_cron(expression)


class Frequency(Fluent):
    """When an entry is due. A frequency, a time of day and weekdays are each said once;
    contradictions are refused.
    """

    @property
    def cron(self) -> CronWord[Self]:
        """The cron expression that the words mean. `entry.cron("0 9 * * *")` sets it."""
        return CronWord.of(self)

    @property
    def repeat_seconds(self) -> int | None:
        """How often it repeats within each due minute, in seconds, at :00 first; None: once."""
        return self.rules.recurrence.repeat_seconds

    def timezone(self, name: str) -> Self:
        """Read the frequency and its windows in this IANA zone instead of the timetable's."""
        return self._change(lambda own: replace(own, zone=zone_named(name)))

    def shift_policy(self, policy: ShiftPolicy) -> Self:
        """What a shift of the zone's clock does to the due times.

        "wall": each named time comes once, at the end of a gap and the first time in an overlap.
        "elapsed": an interval goes on, as every half hour of real time. Unsaid: "elapsed" for what
        runs in every hour of a plain star, "wall" for the rest.
        """
        if policy not in get_args(ShiftPolicy):
            raise self._named(TimetableError(f"shift_policy({policy!r}): expected 'wall' or 'elapsed'"))
        return self._set(shift_policy=policy)

    def every_minute(self) -> Self:
        """Every minute."""
        return self._every(EVERY_MINUTE)

    def every_two_minutes(self) -> Self:
        """Every two minutes, from the full hour."""
        return self._every(Pattern("every_two_minutes", "*/2"))

    def every_three_minutes(self) -> Self:
        """Every three minutes, from the full hour."""
        return self._every(Pattern("every_three_minutes", "*/3"))

    def every_four_minutes(self) -> Self:
        """Every four minutes, from the full hour."""
        return self._every(Pattern("every_four_minutes", "*/4"))

    def every_five_minutes(self) -> Self:
        """Every five minutes, from the full hour."""
        return self._every(Pattern("every_five_minutes", "*/5"))

    def every_ten_minutes(self) -> Self:
        """Every ten minutes, from the full hour."""
        return self._every(Pattern("every_ten_minutes", "*/10"))

    def every_fifteen_minutes(self) -> Self:
        """Every fifteen minutes, from the full hour."""
        return self._every(Pattern("every_fifteen_minutes", "*/15"))

    def every_thirty_minutes(self) -> Self:
        """At the full and the half hour."""
        return self._every(Pattern("every_thirty_minutes", "*/30"))

    def every_second(self) -> Self:
        """Every second."""
        return self._every(Pattern("every_second", "*", repeat_seconds=1))

    def every_two_seconds(self) -> Self:
        """Every two seconds, from the full minute."""
        return self._every(Pattern("every_two_seconds", "*", repeat_seconds=2))

    def every_five_seconds(self) -> Self:
        """Every five seconds, from the full minute."""
        return self._every(Pattern("every_five_seconds", "*", repeat_seconds=5))

    def every_ten_seconds(self) -> Self:
        """Every ten seconds, from the full minute."""
        return self._every(Pattern("every_ten_seconds", "*", repeat_seconds=10))

    def every_fifteen_seconds(self) -> Self:
        """Every fifteen seconds, from the full minute."""
        return self._every(Pattern("every_fifteen_seconds", "*", repeat_seconds=15))

    def every_twenty_seconds(self) -> Self:
        """Every twenty seconds, from the full minute."""
        return self._every(Pattern("every_twenty_seconds", "*", repeat_seconds=20))

    def every_thirty_seconds(self) -> Self:
        """Every thirty seconds, from the full minute."""
        return self._every(Pattern("every_thirty_seconds", "*", repeat_seconds=30))

    def hourly(self) -> Self:
        """Every hour, at :00."""
        return self._every(Pattern("hourly", "0"))

    def hourly_at(self, minute: Field) -> Self:
        """Every hour at a minute, or at several."""
        return self._every(Pattern("hourly_at", field_text(minute)))

    def every_odd_hour(self, minute: Field = 0) -> Self:
        """At 01:00, 03:00 ... 23:00, or so many minutes later."""
        return self._every(Pattern("every_odd_hour", field_text(minute), "1-23/2"))

    def every_two_hours(self, minute: Field = 0) -> Self:
        """Every two hours from midnight, or so many minutes later."""
        return self._every(Pattern("every_two_hours", field_text(minute), "*/2"))

    def every_three_hours(self, minute: Field = 0) -> Self:
        """Every three hours from midnight, or so many minutes later."""
        return self._every(Pattern("every_three_hours", field_text(minute), "*/3"))

    def every_four_hours(self, minute: Field = 0) -> Self:
        """Every four hours from midnight, or so many minutes later."""
        return self._every(Pattern("every_four_hours", field_text(minute), "*/4"))

    def every_six_hours(self, minute: Field = 0) -> Self:
        """Every six hours from midnight, or so many minutes later."""
        return self._every(Pattern("every_six_hours", field_text(minute), "*/6"))

    def daily(self) -> Self:
        """Every day at 00:00, or at the time that `at` gives."""
        return self._every(Pattern("daily"))

    def daily_at(self, time: str) -> Self:
        """Every day at a time, such as "13:30"."""
        return self._every(Pattern("daily_at"), time="" if time is None else time)  # midnight is daily()

    def at(self, time: str) -> Self:
        """The time of day, such as "13:30", of a frequency that takes one; alone, of every day."""
        return self._recurrence(lambda own: own.at(minute_of_day(time)))

    def twice_daily(self, first: int = 1, second: int = 13) -> Self:
        """Every day at two full hours."""
        return self._every(Pattern("twice_daily", "0", field_text((first, second))))

    def twice_daily_at(self, first: int = 1, second: int = 13, minute: int = 0) -> Self:
        """Every day at two hours, at the same minute of each."""
        return self._every(Pattern("twice_daily_at", field_text(minute), field_text((first, second))))

    def weekdays(self) -> Self:
        """Monday to Friday."""
        return self._on("1-5")

    def weekends(self) -> Self:
        """Saturday and Sunday."""
        return self._on("6,0")

    def sundays(self) -> Self:
        """Sundays only."""
        return self._on("0")

    def mondays(self) -> Self:
        """Mondays only."""
        return self._on("1")

    def tuesdays(self) -> Self:
        """Tuesdays only."""
        return self._on("2")

    def wednesdays(self) -> Self:
        """Wednesdays only."""
        return self._on("3")

    def thursdays(self) -> Self:
        """Thursdays only."""
        return self._on("4")

    def fridays(self) -> Self:
        """Fridays only."""
        return self._on("5")

    def saturdays(self) -> Self:
        """Saturdays only."""
        return self._on("6")

    def days(self, *days: Field) -> Self:
        """Only these days of the week, 0 is Sunday: days(MONDAY, FRIDAY)."""
        return self._on(fields_text(days))

    def weekly(self) -> Self:
        """Sundays at 00:00, unless `at` and a day of the week say otherwise."""
        return self._every(WEEKLY)

    def weekly_on(self, days: Field, time: str | None = None) -> Self:
        """Every week on a day, or several, 0 is Sunday: at 00:00, or at a time."""
        return self._every(replace(WEEKLY, word="weekly_on"), time=time, weekdays=field_text(days))

    def monthly(self) -> Self:
        """The 1st of the month at 00:00, or at the time that `at` gives."""
        return self._every(Pattern("monthly", day="1"))

    def monthly_on(self, day: Field = 1, time: str | None = None) -> Self:
        """A day of the month, at 00:00 or at a time. A month without that day is left out."""
        return self._every(Pattern("monthly_on", day=field_text(day)), time=time)

    def twice_monthly(self, first: int = 1, second: int = 16, time: str | None = None) -> Self:
        """Two days of the month, at 00:00 or at a time."""
        return self._every(Pattern("twice_monthly", day=field_text((first, second))), time=time)

    def last_day_of_month(self, time: str | None = None) -> Self:
        """The last day of each month, at 00:00 or at a time."""
        return self._every(Pattern("last_day_of_month", day="L"), time=time)

    def days_of_month(self, *days: Field) -> Self:
        """These days of the month, at 00:00 or at the time that `at` gives after them."""
        return self._every(Pattern("days_of_month", day=fields_text(days)))

    def quarterly(self) -> Self:
        """The 1st of January, April, July and October at 00:00, or at the time that `at` gives."""
        return self._every(Pattern("quarterly", day="1", month="1-12/3"))

    def quarterly_on(self, day: Field = 1, time: str | None = None) -> Self:
        """A day of January, April, July and October, at 00:00 or at a time."""
        return self._every(Pattern("quarterly_on", day=field_text(day), month="1-12/3"), time=time)

    def yearly(self) -> Self:
        """1 January at 00:00, or at the time that `at` gives."""
        return self._every(Pattern("yearly", day="1", month="1"))

    def yearly_on(self, month: Field = 1, day: Field = 1, time: str | None = None) -> Self:
        """A day of a month of each year, at 00:00 or at a time; day "*" is each day of that
        month.
        """
        return self._every(Pattern("yearly_on", day=field_text(day), month=field_text(month)), time=time)

    def _by_cron(self, expression: str) -> Self:
        return self._every(Pattern("cron", cron=" ".join(str(expression).split())))

    def _every(self, pattern: Pattern, *, time: str | None = None, weekdays: str | None = None) -> Self:
        def change(own: Recurrence) -> Recurrence:
            own = own.every(pattern)
            if weekdays is not None:
                own = own.on(weekdays)
            if time is not None:
                own = own.at(minute_of_day(time))
            named = {"time": time, "weekdays": weekdays}
            return replace(own, of_pattern=frozenset(name for name, value in named.items() if value is not None))

        return self._recurrence(change)

    def _on(self, weekdays: str) -> Self:
        return self._recurrence(lambda own: own.on(weekdays))

    def _recurrence(self, change: Callable[[Recurrence], Recurrence]) -> Self:
        return self._change(lambda own: replace(own, recurrence=change(own.recurrence)))
