"""A cron expression in words, for operators: "Mondays at 09:00", "Every 15 seconds on weekdays"."""

from calendar import monthrange
from collections.abc import Iterable
from functools import lru_cache

from cronsim import CronSim

from forecourt.schedule.cron import cron_fields, parse_cron
from forecourt.schedule.time_window import time_of_day

MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
WEEKDAYS = ("Sundays", "Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays")
ANY_HOUR, ANY_DAY, ANY_MONTH, ANY_WEEKDAY = set(range(24)), set(range(1, 32)), set(range(1, 13)), set(range(7))
ODD_DAYS = set(range(1, 32, 2))
MOST = 4
"""How many times, minutes, days or months a sentence still lists one by one."""


@lru_cache(maxsize=1024)
def sentence(cron: str, repeat_seconds: int | None = None) -> str:
    """The expression in words, or itself where words would be long or inexact. Raises
    TimetableError if it is wrong.
    """
    rule = parse_cron(cron).rule
    days = _days(rule)
    if days is None:
        return cron
    subject, adverb = days
    interval = _each("second", repeat_seconds) if repeat_seconds else _interval(rule, cron_fields(cron)[1])
    if interval is not None:
        return interval + adverb
    times = [hour * 60 + minute for hour in sorted(rule.hours) for minute in sorted(rule.minutes)]
    return f"{subject} at {_listed(map(time_of_day, times))}" if len(times) <= MOST else cron


def _interval(rule: CronSim, hour: str) -> str | None:
    minute_step, hour_step = _step(rule.minutes, 60), _step(rule.hours, 24)
    first, last = min(rule.hours), max(rule.hours)
    past = "" if rule.minutes == {0} else " at " + _listed(f":{minute:02}" for minute in sorted(rule.minutes))
    if rule.hours == ANY_HOUR:
        if minute_step is not None and minute_step < 60:
            return _each("minute", minute_step)
        hours = "Every hour"
    elif hour.startswith("*/") and hour_step is not None and hour_step < 24:
        hours = f"{_each('hour', hour_step)} from midnight"
    elif rule.hours == set(range(1, 24, 2)):
        hours = "Every odd hour"
    elif len(rule.hours) > 2 and len(rule.hours) == last - first + 1:
        if minute_step is None and len(rule.minutes) > 1:
            return None
        span = f" from {first:02}:{min(rule.minutes):02} to {last:02}:{max(rule.minutes):02}"
        return ("Every hour" if len(rule.minutes) == 1 else _each("minute", minute_step or 1)) + span
    else:
        return None
    return hours + past if len(rule.minutes) <= MOST else None


def _days(rule: CronSim) -> tuple[str, str] | None:
    """The days as the subject of a sentence and as what follows an interval, or None if they are
    too many to name.
    """
    months = rule.months
    dates = {day for day in rule.days if any(_has(month, day) for month in months)}  # 30 in February never is
    any_weekday = {item % 7 if isinstance(item, int) else -1 for item in rule.weekdays} == ANY_WEEKDAY
    if rule.days != ANY_DAY and any_weekday and months != ANY_MONTH:
        months = {month for month in months if any(_has(month, day) for day in dates)}
    if months != ANY_MONTH and len(months) > MOST:
        return None
    names = _listed(MONTHS[month - 1] for month in sorted(months))
    of_month = "of the month" if months == ANY_MONTH else f"of {names}"
    in_month = "" if months == ANY_MONTH else f" in {names}"
    if rule.days == ANY_DAY or not dates:
        return _weekdays(rule, of_month, in_month)
    if rule.days == ODD_DAYS:  # of a shorter month too
        phrase, on = f"odd days {of_month}", " on "
    elif len(dates) > MOST or (months != ANY_MONTH and not all(_has(month, day) for month in months for day in dates)):
        return None
    else:
        phrase = f"{_listed(_date(day) for day in sorted(dates, key=lambda day: (day < 0, day)))} {of_month}"
        on = " on the "
    if any_weekday:
        return _of(phrase, on)
    if rule.day_and:
        plain = all(isinstance(item, int) for item in rule.weekdays)
        weekdays = _weekdays(rule, of_month, "") if plain else None
        return None if weekdays is None else (weekdays[0] + on + phrase, weekdays[1] + on + phrase)
    weekdays = _weekdays(rule, of_month, in_month)
    return None if weekdays is None else _of(f"{phrase} or{weekdays[1]}", on)


def _has(month: int, day: int) -> bool:
    """Whether the month has that day in some year; the last day, a negative number, in all."""
    return day <= monthrange(2000, month)[1]


def _weekdays(rule: CronSim, of_month: str, in_month: str) -> tuple[str, str] | None:
    ordinals = [item for item in rule.weekdays if isinstance(item, tuple)]
    if ordinals:
        if len(rule.weekdays) > 1:
            return None
        ((weekday, number),) = ordinals
        name = WEEKDAYS[weekday % 7].removesuffix("s")
        return _of(f"{'last' if number == CronSim.LAST else _ordinal(number)} {name} {of_month}")
    weekdays = {item % 7 for item in rule.weekdays if isinstance(item, int)}
    if weekdays == ANY_WEEKDAY:
        return "Daily" + in_month, in_month
    if weekdays == {1, 2, 3, 4, 5}:
        return "Weekdays" + in_month, " on weekdays" + in_month
    if weekdays == {0, 6}:
        return "Weekends" + in_month, " on weekends" + in_month
    names = _listed(WEEKDAYS[day] for day in sorted(weekdays, key=lambda day: (day - 1) % 7)) + in_month
    return names, " on " + names


def _of(phrase: str, on: str = " on the ") -> tuple[str, str]:
    return phrase[0].upper() + phrase[1:], on + phrase


def _date(day: int) -> str:
    return {CronSim.LAST: "last day", CronSim.LAST_WEEKDAY: "last weekday"}.get(day) or _ordinal(day)


def _ordinal(number: int) -> str:
    ending = "th" if number in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _step(values: set[int], whole: int) -> int | None:
    """The even step from 0 by which `values` fill `whole`: 15 for the quarters of an hour, 60 for
    its start.
    """
    step = sorted(values)[1] if len(values) > 1 else whole
    return step if whole % step == 0 and values == set(range(0, whole, step)) else None


def _each(unit: str, number: int) -> str:
    return f"Every {unit}" if number == 1 else f"Every {number} {unit}s"


def _listed(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
