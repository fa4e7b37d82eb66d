"""Days and times of day as people read them, in the business zone and the reader's language. Digits
stay 0 to 9.
"""

from datetime import UTC, date, datetime

from forecourt.language import language, lookup, marked
from forecourt.settings import settings

WEEKDAYS = (
    marked("Mon"),
    marked("Tue"),
    marked("Wed"),
    marked("Thu"),
    marked("Fri"),
    marked("Sat"),
    marked("Sun"),
)

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
"""Marked where the sentences of the schedule name them."""


def clock(instant: datetime, now: datetime | None = None) -> str:
    """The time of day; with its date when that is not the day of `now`."""
    local = instant.astimezone(settings().zone)
    if now is None or local.date() == now.astimezone(settings().zone).date():
        return f"{local:%H:%M:%S}"
    return (
        f"{local.day} {_named(local, '%b')} {local:%H:%M}"
        if abs((now - instant).days) < 300
        else f"{local:%Y-%m-%d %H:%M}"
    )


def minute(instant: datetime) -> str:
    """ "03:14"; with seconds where there are some."""
    local = instant.astimezone(settings().zone)
    return f"{local:%H:%M}" if local.second == 0 else f"{local:%H:%M:%S}"


def day(instant: datetime) -> str:
    """ "24 November 2026"."""
    local = instant.astimezone(settings().zone)
    return f"{local.day} {_named(local, '%B')} {local.year}"


def weekday(of: date) -> str:
    """ "Tue 24 Nov"."""
    return f"{_named(of, '%a')} {of:%d} {_named(of, '%b')}"


def appointment(instant: datetime) -> str:
    """ "Tue 24 Nov 03:00 EET", in the zone of the instant."""
    return f"{weekday(instant)} {instant:%H:%M %Z}"


def zulu(instant: datetime) -> str:
    """As machines read it."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def short_weekday(of: date) -> str:
    """ "Tue"."""
    return _named(of, "%a")


def _named(of: date, form: str) -> str:
    """The name of a month or weekday. What is not English abbreviates no month."""
    if language() == "en":
        return of.strftime(form)
    return lookup(WEEKDAYS[of.weekday()] if form == "%a" else MONTHS[of.month - 1])
