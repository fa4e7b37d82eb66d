"""Days and times of day as people read them, in the reader's zone and language; a night's in the
business zone. Digits stay 0 to 9.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from forecourt.language import isolated, language, lookup, marked
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


_zone: ContextVar[ZoneInfo | None] = ContextVar("zone", default=None)


def zone() -> ZoneInfo:
    """The reader's: the business zone for whoever chose none, and outside of a request."""
    return _zone.get() or settings().zone


@contextmanager
def in_zone(chosen: ZoneInfo) -> Iterator[None]:
    """Tell times in this zone within the block."""
    before = _zone.set(chosen)
    try:
        yield
    finally:
        _zone.reset(before)


def clock(instant: datetime, now: datetime | None = None) -> str:
    """The time of day; with its date when that is not the day of `now`."""
    local = instant.astimezone(zone())
    if now is None or local.date() == now.astimezone(zone()).date():
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
    return f"{weekday(instant)} {isolated(f'{instant:%H:%M %Z}')}"


def exactly(instant: datetime) -> str:
    """In the reader's zone and in UTC: "2026-11-24 06:00:00+03:00, 2026-11-24T03:00:00.000Z"."""
    local = instant.astimezone(zone())
    return f"{local.isoformat(' ', 'seconds')}, {zulu(instant)}" if local.utcoffset() else zulu(instant)


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
