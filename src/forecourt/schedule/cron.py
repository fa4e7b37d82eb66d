"""A cron expression, checked: the minutes of a day that it names, and the days on which it runs.

cronsim reads the fields and knows the day rules (L, LW, 5L, 1#2). An expression that could mean two
things, or nothing, is refused here with a way out. Where both the day of month and the day of week
are restricted it runs on either, as everywhere; where one of them begins with a star, as in */2, it
runs on days that fit both.
"""

import re
from calendar import monthrange
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, date, datetime
from functools import lru_cache

from cronsim import CronSim, CronSimError

from forecourt.schedule.errors import TimetableError

Field = int | str | Iterable[int | str]
"""One cron field: a number, cron text such as "*/10" or "1-5", or several of them."""

NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

LONGEST = 255
"""Characters. Every minute and every hour written out one by one still fit."""

EXPECTED = {
    "minute": "0-59",
    "hour": "0-23",
    "day-of-month": "1-31, L (the last day) or LW (the last weekday)",
    "month": "1-12 or JAN-DEC",
    "day-of-week": "0-7 or SUN-SAT, 5L (the last Friday) or 1#2 (the second Monday)",
}

CYCLE = range(date(2000, 1, 1).toordinal(), date(2028, 1, 1).toordinal())
"""The days of 28 years: each date of the calendar has had each weekday in them."""

ANY = ("*", "?")

WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


@dataclass(frozen=True, slots=True)
class Cron:
    """What an expression means on the wall clock, before any time zone is known."""

    minutes: tuple[int, ...]
    """Minutes after midnight, ascending."""

    by_elapsed_time: bool
    """Whether it runs in every hour ("*" as its hour): an interval, and not times of day."""

    rule: CronSim

    def days_from(self, start: date) -> Iterator[date]:
        """The days on which it runs, from `start` on, ascending, to the end of the calendar."""
        months = sorted(self.rule.months)
        for year in range(start.year, MAXYEAR):
            for month in months:
                if (year, month) < (start.year, start.month):
                    continue
                first = start.day if (year, month) == (start.year, start.month) else 1
                for number in range(first, monthrange(year, month)[1] + 1):
                    day = date(year, month, number)
                    if self.rule.match_day(day):
                        yield day


def cron_fields(expression: str) -> list[str]:
    """The five fields of an expression, with nicknames such as @daily written out.

    Raises TimetableError if there are not five, or the expression is longer than any sensible one.
    """
    if len(expression) > LONGEST:
        raise TimetableError(f"the cron expression has {len(expression)} characters; at most {LONGEST} are read")
    text = expression.strip()
    if text.startswith("@"):
        if text.lower() not in NICKNAMES:
            raise TimetableError(f"{text!r} is not one of {', '.join(NICKNAMES)}")
        text = NICKNAMES[text.lower()]
    fields = text.split()
    if len(fields) != 5:
        raise TimetableError(
            f"{expression!r} has {len(fields)} fields, not 5: minute, hour, day of month, month, day of week"
            + ("; for seconds there is every_ten_seconds() and its like" if len(fields) == 6 else "")
        )
    return fields


@lru_cache(maxsize=1024)
def parse_cron(expression: str) -> Cron:
    """Read and check an expression. Raises TimetableError with what is wrong and what would be
    right.
    """
    minute, hour, day, month, weekday = fields = cron_fields(expression)
    if "?" in (minute, hour, month) or (day == "?" and weekday == "?"):
        raise TimetableError(f"{expression!r}: '?' may stand for the day of month or the day of week, not both")
    plain = " ".join([*map(_single, fields[:4]), _upward(fields[4])]).replace("?", "*")
    rule = _rule(plain, expression)
    if not any(one.month in rule.months and rule.match_day(one) for one in map(date.fromordinal, CYCLE)):
        raise TimetableError(f"{expression!r} is never due: no day of month {day} is a day of week {weekday}")
    return Cron(
        minutes=tuple(h * 60 + m for h in sorted(rule.hours) for m in sorted(rule.minutes)),
        by_elapsed_time=hour == "*",
        rule=rule,
    )


def _single(field: str) -> str:
    """The field with ranges of one value and a step as that value: 5-5/4 is 5, though cronsim reads
    it as 5-59/4.
    """

    def alone(found: re.Match[str]) -> str:
        same = _value(found[1]) == _value(found[2])
        return found[1] if same and found[3].strip("0") else found[0]  # a step of 0 is left to be refused

    return re.sub(r"\b(\w+)-(\w+)/([0-9]+)", alone, field)


def _value(text: str) -> str:
    """A value of a field, however it is written: 05 is 5, and Jan is 1."""
    name = text.upper()
    return str(MONTHS.index(name) + 1) if name in MONTHS else text.lstrip("0")


def _upward(field: str) -> str:
    """The weekdays with names as numbers, with ranges that go past Saturday written out, and FRIL
    as 5L.
    """
    text = field.upper()
    for number, name in enumerate(WEEKDAYS):
        text = re.sub(rf"\b{name}(?=L?\b|#)", str(number), text)
    return ",".join(_around(part) for part in _single(text).split(","))


def _around(part: str) -> str:
    found = re.fullmatch(r"([0-7])-([0-7])(?:/([1-7]))?", part)
    if found is None or int(found[1]) <= int(found[2]):
        return part
    first, last = int(found[1]), int(found[2]) + 7
    return ",".join(str(day % 7) for day in range(first, last + 1, int(found[3] or 1)))


def _rule(plain: str, expression: str) -> CronSim:
    start = datetime(2000, 1, 1, tzinfo=UTC)  # only the fields and the day rules are used, never its iteration
    try:
        return CronSim(plain, start)
    except CronSimError as error:
        name = str(error).removeprefix("Bad ")
    minute, hour, day, month, weekday = plain.split()
    text = dict(zip(EXPECTED, plain.split(), strict=True))[name]
    if name == "day-of-month" and _reads(f"{minute} {hour} {day} * {weekday}", start):
        raise TimetableError(f"{expression!r} is never due: no month {month} has a day {day}")
    hint = ""
    if name == "day-of-month" and "W" in text.upper():
        hint = "; the weekday nearest to a day (15W) is not known"
    elif "-" in text:
        hint = "; a range goes upwards (but for weekdays, where FRI-MON is four days)"
    raise TimetableError(
        f"{name} {text!r} in {expression!r} is not understood: expected {EXPECTED[name]}, '*', a range, a step such as "
        f"*/2, or a list of these{hint}"
    )


def _reads(plain: str, start: datetime) -> bool:
    try:
        CronSim(plain, start)
    except CronSimError:
        return False
    return True


def field_text(value: Field) -> str:
    """A field as cron has it."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        return str(value)
    return ",".join(map(str, value))


def fields_text(values: Iterable[Field]) -> str:
    """Several as one."""
    return ",".join(map(field_text, values))
