"""Promises of the hourly roll-up, and of the whole of it against a count by hand."""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given, note
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session
from traffic import DAY, event, midday, now, stats, views

from forecourt.marketplace import archive
from forecourt.marketplace.analytics import SETTLED, aggregate_daily_analytics, aggregate_hourly_analytics
from forecourt.marketplace.archive import archive_old_analytics
from forecourt.settings import settings

HOUR = timedelta(hours=1)


def at(session: Session, instant: datetime) -> None:
    """From here on this transaction's `now()` says so."""
    session.execute(
        text(
            f"""
            CREATE OR REPLACE FUNCTION public.now() RETURNS timestamptz
            LANGUAGE sql STABLE AS $$ SELECT '{instant.isoformat()}'::timestamptz $$;
            SET LOCAL search_path = public, pg_catalog
            """
        )
    )


def hours(session: Session) -> dict[datetime, tuple[int, int]]:
    """Views and events of each hour that has some."""
    rows = session.execute(text("SELECT hour, total_views, total_events FROM analytics_hours")).all()
    return {row.hour: (row.total_views, row.total_events) for row in rows}


def versions(session: Session) -> list[Any]:
    return list(session.scalars(text("SELECT (ctid, xmin)::text FROM car_listing_daily_stats")))


def test_today_is_rolled_up_so_far_and_again_an_hour_later(session: Session) -> None:
    at(session, midday(session, 0))
    event(session, 1, now(session) - HOUR)
    assert aggregate_hourly_analytics(session=session)["events"] == 1
    at(session, now(session) + HOUR)
    event(session, 1, now(session) - HOUR / 2)
    event(session, 1, now(session) - HOUR / 2, "share")
    event(session, 1, now(session) - HOUR / 2, "bot")
    aggregate_hourly_analytics(session=session)
    assert views(session) == {(1, now(session).date()): 2}
    assert list(hours(session).values()) == [(1, 1), (1, 2)]


def test_the_first_hour_of_a_day_finishes_the_day_before_so_that_the_night_writes_nothing(session: Session) -> None:
    midnight = midday(session, 0) + DAY / 2
    at(session, midnight - HOUR)
    event(session, 1, midnight - 2 * HOUR)
    aggregate_hourly_analytics(session=session)
    event(session, 1, midnight - HOUR / 2)
    at(session, midnight + HOUR / 12)
    aggregate_hourly_analytics(session=session)
    before = versions(session)
    at(session, midnight + 2 * HOUR)
    night = aggregate_daily_analytics(session=session)
    assert (night["events"], night["rows_written"], versions(session)) == (2, 0, before)
    assert views(session) == {(1, (midnight - HOUR).date()): 2}


@pytest.mark.parametrize("change", ["user_ip = '198.51.100.1'", "event_type = 'share'", "car_listing_id = 2"])
def test_a_day_is_rolled_up_again_when_any_event_of_it_was_changed(session: Session, change: str) -> None:
    for n in range(2):
        event(session, 1, midday(session, 1), ip=f"203.0.113.{n}")
    aggregate_daily_analytics(session=session)
    before = stats(session)
    session.execute(text(f"UPDATE car_listing_analytics SET {change} WHERE id = 1"))
    session.execute(text("UPDATE car_listing_analytics SET user_ip = '198.51.100.1' WHERE id = 2"))
    assert aggregate_daily_analytics(session=session)["rows_written"] > 0
    assert stats(session) != before


def test_an_hour_of_which_a_part_is_archived_keeps_its_figures(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORECOURT_TIMEZONE", "Asia/Kolkata")  # its days begin at the half of an hour of UTC
    settings.cache_clear()
    half = datetime.combine(midday(session, 181).date(), datetime.min.time(), UTC) + timedelta(hours=18, minutes=30)
    event(session, 1, half - timedelta(minutes=10))
    event(session, 1, half + timedelta(minutes=10))
    aggregate_daily_analytics(session=session)
    session.commit()
    whole = hours(session)
    assert whole == {half - HOUR / 2: (2, 2)}
    session.rollback()
    monkeypatch.setattr(archive, "CUTOFF", text("SELECT CAST(:half AS timestamptz)").bindparams(half=half))
    assert archive_old_analytics()["events"] == 1
    assert aggregate_daily_analytics(session, str(half.date() + DAY))["events"] == 1
    assert hours(session) == whole


BY_OUR_CLOCK = text(
    """
    CREATE OR REPLACE TRIGGER note_late_event AFTER INSERT ON car_listing_analytics
    FOR EACH ROW WHEN (NEW.created_at < public.now() - interval '1 day') EXECUTE FUNCTION note_late_event()
    """
)
ERASE_ONE = text(
    """
    DELETE FROM car_listing_analytics
    WHERE id = (SELECT max(id) FROM car_listing_analytics)
      AND created_at > :since
    """
)
"""Of a day that is settled, no night would see it."""
ANOTHER_TRANSACTION = text("SELECT set_config('forecourt.late_days', '', true)")
"""The trigger notes a late day once a transaction; here many stand in for one."""

ZONES = ["UTC", "Asia/Damascus", "Africa/Cairo", "Asia/Kolkata", "Australia/Lord_Howe", "America/St_Johns"]
SHIFTS = [date(2026, 4, 23), date(2026, 10, 29), date(2026, 4, 4), date(2026, 3, 7), date(2026, 11, 1)]
EVENT = st.tuples(
    st.integers(0, 60 * 80),  # minutes ago
    st.integers(1, 3),
    st.sampled_from(["view", "view", "contact_phone", "share", "favorite", "bot", "compare"]),
    st.sampled_from(["203.0.113.1", "203.0.113.2", "2001:db8::1", None]),
)
STEP = st.one_of(
    st.lists(EVENT, min_size=1, max_size=6),
    st.sampled_from(["an hour passes", "a night passes", "one is erased", "hourly", "nightly"]),
)


@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@example("Australia/Lord_Howe", date(2026, 4, 4), ["an hour passes", [(0, 1, "view", None)], [(0, 1, "view", None)]])
@given(zone=st.sampled_from(ZONES), first=st.sampled_from(SHIFTS), steps=st.lists(STEP, min_size=3, max_size=14))
def test_whatever_happens_the_stats_are_what_a_count_by_hand_finds(
    session: Session, zone: str, first: date, steps: list[Any]
) -> None:
    session.rollback()  # each example in a transaction of its own, which leaves nothing
    settings.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FORECOURT_TIMEZONE", zone)
        clock = datetime(first.year, first.month, first.day, 12, tzinfo=UTC)
        at(session, clock)
        session.execute(BY_OUR_CLOCK)
        for step in steps:
            match step:
                case "an hour passes" | "a night passes":
                    clock += HOUR if "hour" in step else timedelta(hours=17)
                    at(session, clock)
                case "hourly":
                    aggregate_hourly_analytics(session=session)
                case "nightly":
                    aggregate_daily_analytics(session=session)
                case "one is erased":
                    session.execute(ERASE_ONE, {"since": clock - SETTLED})
                case _:
                    session.execute(ANOTHER_TRANSACTION)
                    for minutes, listing, kind, ip in step:
                        event(session, listing, clock - timedelta(minutes=minutes), kind, ip)
        at(session, clock + DAY + HOUR)  # the day is over then, also the longest, on which clocks are set back
        aggregate_daily_analytics(session=session)
        by_day, by_hour = counted(session, ZoneInfo(zone))
        note(f"{zone} {by_day}")
        assert {(row.car_listing_id, row.date): tuple(row[2:]) for row in stats(session)} == by_day
        assert hours(session) == by_hour
    settings.cache_clear()
    session.rollback()


def counted(session: Session, zone: ZoneInfo) -> tuple[dict[Any, Any], dict[datetime, tuple[int, int]]]:
    """By listing and day, and by hour, from one event after the other."""
    days: dict[Any, list[Any]] = defaultdict(list)
    by_hour: dict[datetime, list[str]] = defaultdict(list)
    raw = session.execute(
        text("SELECT car_listing_id, event_type, host(user_ip) AS ip, created_at FROM car_listing_analytics")
    )
    for row in raw:
        if row.event_type != "bot":
            days[row.car_listing_id, row.created_at.astimezone(zone).date()].append((row.event_type, row.ip))
            by_hour[row.created_at.replace(minute=0, second=0, microsecond=0)].append(row.event_type)
    order = ["contact_phone", "contact_whatsapp", "favorite", "share"]
    return (
        {
            key: (
                sum(kind == "view" for kind, _ in came),
                len({ip for _, ip in came if ip}),
                *(sum(kind == wanted for kind, _ in came) for wanted in order),
                len(came),
            )
            for key, came in days.items()
        },
        {hour: (came.count("view"), len(came)) for hour, came in by_hour.items()},
    )
