"""Rolls raw events up into one row a listing and business day.

A day's stats are a function of its raw events and replace what was there, so a second run changes
nothing. A night aggregates the days that have events and were never aggregated, those that were not
yet aggregated two days after their end, for events that come a little late, and those that got
events more than a day late, which a trigger notes. A day whose raw events are archived is closed
for good: aggregating it again would zero it.
"""

import logging
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from forecourt import Session, job
from forecourt.marketplace.partitions import premake
from forecourt.marketplace.rollup import DAY, OPEN_SINCE, roll_up, start_of
from forecourt.settings import settings

log = logging.getLogger(__name__)

SETTLED = 2 * DAY
"""After a day's end. An event may come one day late before the trigger notes it; the other day is
for transactions that stay open that long."""

# Aggregation and archiving exclude each other: a day must not lose its raw events while its stats
# are being computed.
LOCK = text("SELECT pg_advisory_xact_lock(hashtext('forecourt.analytics'))")

NOW = text("SELECT now()")
FIRST_EVENT = text("SELECT min(created_at) FROM car_listing_analytics WHERE created_at >= :since")
AGGREGATED = text("SELECT date, aggregated_at FROM analytics_days WHERE date >= :first")
TAKE_LATE = text("DELETE FROM analytics_late_days RETURNING day")


@job(queue="low", timeout=3600)
def aggregate_daily_analytics(session: Session, day: str | None = None) -> dict[str, int]:
    """Bring the daily stats up to date; with `day` (YYYY-MM-DD) aggregate that day alone.

    A business day begins and ends by the clocks of FORECOURT_TIMEZONE, so it may have 23 or 25
    hours. Returns the days aggregated, the listings and events on them, and how many rows of stats
    changed. Raises ValueError for a day that is no date, is not here yet, or is archived.
    """
    zone = settings().zone
    session.execute(LOCK)
    today = session.scalars(NOW).one().astimezone(zone).date()
    if day is None:
        yesterday = today - DAY
        days = _owed(session, zone, yesterday) | _unsettled(session, zone) | {yesterday}
    else:
        days = {_checked(day, today, _first_open(session, zone))}
    counts = roll_up(session, zone, days, anyway=day is not None)
    _make_partitions(session)
    log.info("Aggregated daily stats for %d listings", counts["listings"])
    return counts


@job(queue="low", timeout=900)
def aggregate_hourly_analytics(session: Session) -> dict[str, int]:
    """Bring the stats of today up to date, so far as it has come, and those of a yesterday that was
    not over when it was last seen.

    So a page of today is an hour old at most, and the night finds yesterday done. Returns what
    `aggregate_daily_analytics` returns.
    """
    zone = settings().zone
    session.execute(LOCK)
    today = session.scalars(NOW).one().astimezone(zone).date()
    first = session.execute(AGGREGATED, {"first": today - DAY})
    begun = {day for day, at in first if day < today and at < start_of(day + DAY, zone)}
    return roll_up(session, zone, begun | {today})


def settle(session: Session, before: datetime) -> None:
    """Aggregate what days that begin before `before` are still owed, so that their raw events may
    go.

    Exact when the caller keeps further events of these days out until its transaction ends.
    """
    zone = settings().zone
    session.execute(LOCK)
    yesterday = session.scalars(NOW).one().astimezone(zone).date() - DAY
    unsettled = {day for day in _unsettled(session, zone) if start_of(day, zone) < before}
    roll_up(session, zone, _owed(session, zone, yesterday) | unsettled)


def _owed(session: Session, zone: ZoneInfo, until: date) -> set[date]:
    """The days up to `until` that have events and were never aggregated, and those that got late
    ones.
    """
    day = first = _first_open(session, zone)
    done = {day for day, _ in session.execute(AGGREGATED, {"first": first})}
    owed = set()
    # From event to event, not from day to day: one with a wrong date, years back, costs a step and
    # not a thousand.
    while event := session.scalars(FIRST_EVENT, {"since": start_of(day, zone)}).one():
        day = event.astimezone(zone).date()
        if day > until:
            break
        if day not in done:
            owed.add(day)
        day += DAY
        while day in done:
            day += DAY
    for late in session.scalars(TAKE_LATE):
        begin = datetime(late.year, late.month, late.day, tzinfo=UTC)
        owed |= {begin.astimezone(zone).date(), (begin + DAY - timedelta(microseconds=1)).astimezone(zone).date()}
    return {day for day in owed if first <= day <= until}


def _unsettled(session: Session, zone: ZoneInfo) -> set[date]:
    """The days whose last aggregation was too early to have found every event that came a little
    late.
    """
    done = session.execute(AGGREGATED, {"first": _first_open(session, zone)})
    return {day for day, at in done if at < start_of(day + DAY, zone) + SETTLED}


def _first_open(session: Session, zone: ZoneInfo) -> date:
    """The first day that has all its raw events."""
    since = session.scalars(OPEN_SINCE).one()
    day: date = since.astimezone(zone).date()
    return day if start_of(day, zone) >= since else day + DAY


def _checked(given: str, today: date, first_open: date) -> date:
    try:
        day = date.fromisoformat(given)
    except ValueError:
        raise ValueError(f"day: expected a date such as {today}, not {given!r}") from None
    if day > today:
        raise ValueError(f"day: {day} is not here yet; today is {today} in {settings().timezone}")
    if day < first_open:
        raise ValueError(f"day: raw events before {first_open} are archived, so the stats of {day} are final")
    return day


def _make_partitions(session: Session) -> None:
    try:
        with session.begin_nested():
            premake(session)
    except OperationalError as error:
        log.warning("partitions not made tonight, the default partition takes over when they run out: %s", error.orig)
