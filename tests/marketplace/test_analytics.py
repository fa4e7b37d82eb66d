"""Promises of the nightly roll-up."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from threading import Thread
from zoneinfo import ZoneInfo

import pytest
from showroom import listing, wait_until_blocked
from sqlalchemy import text
from sqlalchemy.orm import Session
from traffic import DAY, event, midday, now, stats, today, views

from forecourt.database import engine
from forecourt.marketplace.analytics import aggregate_daily_analytics, settle
from forecourt.marketplace.rollup import AGGREGATE, start_of
from forecourt.settings import settings

Zone = Callable[[str], ZoneInfo]


@pytest.fixture
def business_zone(database: str, monkeypatch: pytest.MonkeyPatch) -> Zone:
    def choose(name: str) -> ZoneInfo:
        monkeypatch.setenv("FORECOURT_TIMEZONE", name)
        settings.cache_clear()
        return ZoneInfo(name)

    return choose


def note_nothing(session: Session) -> None:
    """Let later events come unnoted, as if they were less than a day late."""
    session.execute(text("ALTER TABLE car_listing_analytics DISABLE TRIGGER note_late_event"))


def archived_until(session: Session, upper: datetime) -> None:
    """As if events before `upper` had been archived and dropped."""
    session.execute(
        text(
            """
            INSERT INTO analytics_archives
                (path, lower, upper, dropped_at, rows, min_id, max_id, sum_id, content, bytes)
            VALUES ('x', '2000-01-01Z', :upper, now(), 1, 1, 1, 1, '', 1)
            """
        ),
        {"upper": upper},
    )
    session.execute(text("DELETE FROM car_listing_analytics WHERE created_at < :upper"), {"upper": upper})


def test_each_figure_of_yesterday_is_what_its_name_says(session: Session) -> None:
    noon = midday(session, 1)
    for kind, times in {"view": 4, "contact_phone": 3, "contact_whatsapp": 2, "favorite": 5, "share": 1}.items():
        for n in range(times):
            event(session, 7, noon, kind, f"203.0.113.{n}")
    event(session, 7, noon, "compare", None)
    event(session, 8, noon, "view", "2001:db8::1")
    assert aggregate_daily_analytics(session=session) == {"days": 1, "listings": 2, "rows_written": 2, "events": 17}
    day = noon.date()
    assert stats(session) == [(7, day, 4, 5, 3, 2, 5, 1, 16), (8, day, 1, 1, 0, 0, 0, 0, 1)]


def test_today_is_not_aggregated_before_it_is_over(session: Session) -> None:
    event(session, 1, now(session))
    aggregate_daily_analytics(session=session)
    assert views(session) == {}


def test_a_second_run_writes_no_row(session: Session) -> None:
    event(session, 1, midday(session, 1))
    aggregate_daily_analytics(session=session)
    session.commit()
    before = session.scalars(text("SELECT (xmin, xmax)::text FROM car_listing_daily_stats")).all()
    again = aggregate_daily_analytics(session=session)
    session.commit()
    assert (again["rows_written"], again["events"]) == (0, 1)
    assert session.scalars(text("SELECT (xmin, xmax)::text FROM car_listing_daily_stats")).all() == before


def test_a_changed_day_rewrites_the_changed_rows_alone(session: Session) -> None:
    noon = midday(session, 1)
    event(session, 1, noon)
    event(session, 2, noon)
    aggregate_daily_analytics(session=session)
    event(session, 2, noon)
    assert aggregate_daily_analytics(session=session)["rows_written"] == 1
    assert views(session) == {(1, noon.date()): 1, (2, noon.date()): 2}


def test_missed_nights_are_made_up_for(session: Session) -> None:
    for days_ago in (1, 5, 9):
        event(session, 1, midday(session, days_ago))
    aggregate_daily_analytics(day=str(today(session) - 9 * DAY), session=session)
    assert aggregate_daily_analytics(session=session)["rows_written"] == 2
    assert set(views(session)) == {(1, today(session) - n * DAY) for n in (1, 5, 9)}


def test_one_event_with_a_date_of_long_ago_does_not_cost_a_step_for_each_day_since(session: Session) -> None:
    event(session, 1, datetime(2001, 1, 1, tzinfo=UTC))
    event(session, 1, midday(session, 1))
    assert aggregate_daily_analytics(session=session)["days"] == 2


def test_an_event_that_comes_a_little_late_is_counted_until_its_day_is_two_days_over(session: Session) -> None:
    note_nothing(session)
    for days_ago in (1, 2, 3):
        event(session, 1, midday(session, days_ago))
    aggregate_daily_analytics(session=session)
    for days_ago in (1, 2, 3):
        event(session, 1, midday(session, days_ago))
    aggregate_daily_analytics(session=session)
    assert [views(session)[1, midday(session, days_ago).date()] for days_ago in (1, 2, 3)] == [2, 2, 1]


def test_a_day_aggregated_too_early_is_aggregated_again_however_many_nights_were_missed_since(session: Session) -> None:
    noon = midday(session, 30)
    note_nothing(session)
    event(session, 1, noon)
    aggregate_daily_analytics(session=session)
    session.execute(
        text("UPDATE analytics_days SET aggregated_at = :then WHERE date = :day"),
        {"then": noon + 14 * DAY / 24, "day": noon.date()},
    )
    event(session, 1, noon)
    aggregate_daily_analytics(session=session)
    assert views(session) == {(1, noon.date()): 2}


def test_an_event_that_comes_months_late_is_counted_the_next_night(session: Session) -> None:
    noon = midday(session, 100)
    event(session, 1, noon)
    aggregate_daily_analytics(session=session)
    session.commit()
    event(session, 1, noon)
    session.commit()
    aggregate_daily_analytics(session=session)
    assert views(session) == {(1, noon.date()): 2}
    assert session.scalar(text("SELECT count(*) FROM analytics_late_days")) == 0


def test_a_late_event_still_uncommitted_at_night_is_counted_the_night_after(session: Session) -> None:
    noon = midday(session, 100)
    event(session, 1, noon)
    aggregate_daily_analytics(session=session)
    session.commit()
    with engine().begin() as writer:
        event(writer, 1, noon)
        aggregate_daily_analytics(session=session)
        session.commit()
    assert views(session) == {(1, noon.date()): 1}
    aggregate_daily_analytics(session=session)
    assert views(session) == {(1, noon.date()): 2}


def test_a_rolled_back_late_event_leaves_the_next_one_of_its_transaction_noted(session: Session) -> None:
    noon = midday(session, 100)
    nested = session.begin_nested()
    event(session, 1, noon)
    nested.rollback()
    event(session, 1, noon)
    event(session, 1, noon)
    assert session.scalar(text("SELECT count(*) FROM analytics_late_days")) == 1


def test_a_failed_night_forgets_no_late_event(session: Session) -> None:
    noon = midday(session, 100)
    aggregate_daily_analytics(session=session)
    event(session, 1, noon)
    session.commit()
    aggregate_daily_analytics(session=session)
    session.rollback()
    aggregate_daily_analytics(session=session)
    assert views(session) == {(1, noon.date()): 1}


def test_stats_go_when_their_raw_events_were_erased(session: Session) -> None:
    noon = midday(session, 1)
    event(session, 1, noon)
    event(session, 2, noon)
    aggregate_daily_analytics(session=session)
    session.execute(text("DELETE FROM car_listing_analytics WHERE car_listing_id = 1"))
    assert aggregate_daily_analytics(session=session)["rows_written"] == 1
    assert set(views(session)) == {(2, noon.date())}


def test_a_day_whose_raw_events_are_archived_keeps_its_stats(session: Session) -> None:
    for days_ago in (1, 2, 3):
        event(session, 1, midday(session, days_ago))
    aggregate_daily_analytics(session=session)
    archived_until(session, midday(session, 2))
    event(session, 1, midday(session, 3))
    assert aggregate_daily_analytics(session=session) == {"days": 1, "listings": 1, "rows_written": 0, "events": 1}
    assert len(views(session)) == 3


def test_asking_for_an_archived_day_is_refused_with_words(session: Session) -> None:
    archived_until(session, midday(session, 2))
    day = today(session) - 2 * DAY
    with pytest.raises(
        ValueError, match=f"raw events before {day + DAY} are archived, so the stats of {day} are final"
    ):
        aggregate_daily_analytics(day=str(day), session=session)


@pytest.mark.parametrize("day", ["yesterday", "2026-02-30", "", "23.11.2026"])
def test_a_day_that_is_no_date_is_refused_with_words(session: Session, day: str) -> None:
    with pytest.raises(ValueError, match="expected a date such as"):
        aggregate_daily_analytics(day=day, session=session)


def test_a_day_of_the_future_is_refused_and_today_is_taken_so_far(session: Session) -> None:
    with pytest.raises(ValueError, match="is not here yet"):
        aggregate_daily_analytics(day=str(today(session) + DAY), session=session)
    event(session, 1, now(session))
    assert aggregate_daily_analytics(day=str(today(session)), session=session)["events"] == 1


def test_stats_of_a_listing_that_is_gone_break_nothing(session: Session) -> None:
    car = listing(session)
    event(session, car.id, midday(session, 1))
    session.delete(car)
    session.flush()
    assert aggregate_daily_analytics(session=session)["listings"] == 1


def test_two_runs_at_once_wait_for_each_other_and_write_once(session: Session) -> None:
    event(session, 1, midday(session, 1))
    session.commit()
    written = []
    aggregate_daily_analytics(session=session)

    def second() -> None:
        with Session(engine()) as own, own.begin():
            written.append(aggregate_daily_analytics(session=own)["rows_written"])

    thread = Thread(target=second)
    thread.start()
    wait_until_blocked()
    session.commit()
    thread.join(30)
    assert written == [0]


@pytest.mark.parametrize(
    ("zone", "day", "begins", "hours"),
    [
        ("Africa/Cairo", date(2026, 4, 24), "2026-04-23T22:00Z", 23),  # 00:00 did not exist
        ("Asia/Damascus", date(2022, 3, 25), "2022-03-24T22:00Z", 23),  # nor here
        ("Africa/Cairo", date(2026, 10, 29), "2026-10-28T21:00Z", 25),
        ("America/Havana", date(2026, 11, 1), "2026-11-01T04:00Z", 25),  # 00:00 struck twice: the first
        ("Europe/Berlin", date(2026, 3, 29), "2026-03-28T23:00Z", 23),
        ("Asia/Damascus", date(2026, 11, 22), "2026-11-21T21:00Z", 24),
        ("UTC", date(2026, 11, 22), "2026-11-22T00:00Z", 24),
    ],
)
def test_a_day_begins_and_ends_by_the_zone_s_clocks(zone: str, day: date, begins: str, hours: int) -> None:
    begin, end = start_of(day, ZoneInfo(zone)), start_of(day + DAY, ZoneInfo(zone))
    assert begin == datetime.fromisoformat(begins)
    assert end - begin == timedelta(hours=hours)


@pytest.mark.parametrize(("zone", "day"), [("Africa/Cairo", date(2026, 4, 24)), ("Asia/Damascus", date(2022, 3, 25))])
def test_every_event_of_a_23_hour_day_and_its_neighbours_counts_on_its_own_day(
    session: Session, business_zone: Zone, zone: str, day: date
) -> None:
    where = business_zone(zone)
    begin, end = start_of(day, where), start_of(day + DAY, where)
    instant = timedelta(microseconds=1)
    for at in (begin - instant, begin, end - instant, end):
        event(session, 1, at)
    aggregate_daily_analytics(session=session)
    assert views(session) == {(1, day - DAY): 1, (1, day): 2, (1, day + DAY): 1}


def test_yesterday_is_the_business_zone_s_and_not_utc_s(session: Session, business_zone: Zone) -> None:
    far_ahead = business_zone("Pacific/Kiritimati")
    midnight = start_of(now(session).astimezone(far_ahead).date(), far_ahead)
    event(session, 1, midnight - timedelta(seconds=1))
    event(session, 1, midnight)
    aggregate_daily_analytics(session=session)
    assert views(session) == {(1, (midnight - timedelta(seconds=1)).astimezone(far_ahead).date()): 1}


def test_settling_aggregates_what_is_owed_and_the_window_only_where_it_is_asked_for(session: Session) -> None:
    note_nothing(session)
    for days_ago in (1, 2, 20):
        event(session, 1, midday(session, days_ago))
    aggregate_daily_analytics(day=str(today(session) - DAY), session=session)
    event(session, 1, midday(session, 1))
    settle(session, before=midday(session, 10))
    yesterday = today(session) - DAY
    assert views(session) == {(1, yesterday): 1, (1, yesterday - DAY): 1, (1, yesterday - 19 * DAY): 1}
    settle(session, before=now(session))
    assert views(session)[1, yesterday] == 2


def test_it_makes_the_coming_days_partitions_and_succeeds_when_it_cannot(session: Session) -> None:
    name = f"car_listing_analytics_{now(session) + 3 * DAY:%Y%m%d}"
    session.execute(text(f"DROP TABLE {name}"))
    session.commit()
    with engine().begin() as reader:
        reader.execute(text("SELECT count(*) FROM car_listing_analytics_default"))
        event(session, 1, midday(session, 1))
        assert aggregate_daily_analytics(session=session)["rows_written"] == 1
        session.commit()
    assert session.scalar(text(f"SELECT to_regclass('{name}')")) is None
    aggregate_daily_analytics(session=session)
    assert session.scalar(text(f"SELECT to_regclass('{name}')")) == name


def test_a_day_is_aggregated_from_its_own_partition_alone_and_in_parts_that_run_at_once(session: Session) -> None:
    day = today(session) - DAY
    bounds = {"lower": start_of(day, ZoneInfo("UTC")), "upper": start_of(day + DAY, ZoneInfo("UTC"))}
    hours = {"first_hour": bounds["lower"], "end_of_hours": bounds["upper"]}
    session.execute(text("SET LOCAL parallel_setup_cost = 0"))  # a day of millions of events is worth it by itself
    session.execute(text("SET LOCAL min_parallel_table_scan_size = 0"))
    event(session, 1, midday(session, 1))
    plan = session.scalars(text("EXPLAIN " + str(AGGREGATE)), bounds | hours).all()
    scanned = {word for line in plan for word in line.split() if word.startswith("car_listing_analytics_20")}
    assert {word.split("_")[3] for word in scanned} == {f"{day:%Y%m%d}"}
    [append] = [line for line in plan if "Append" in line]
    assert "Parallel Append" in append
    assert len([line for line in plan if line.endswith(".car_listing_id") and "Group Key" in line]) == 2


def test_many_days_are_made_up_for_in_one_night(session: Session) -> None:
    for back in range(1, 8):
        for listing_id in (1, 2, 2):
            event(session, listing_id, midday(session, back))
    assert aggregate_daily_analytics(session=session)["rows_written"] == 14
    session.commit()
    assert sorted(views(session).values()) == [1] * 7 + [2] * 7
    assert aggregate_daily_analytics(session=session)["rows_written"] == 0


def test_what_programs_saw_is_kept_and_in_no_stats(session: Session) -> None:
    car = listing(session)
    at = midday(session, 1)
    event(session, car.id, at, ip="203.0.113.7")
    event(session, car.id, at, kind="bot", ip="198.51.100.9")
    aggregate_daily_analytics(session=session)
    [row] = stats(session)
    assert (row.total_views, row.unique_visitors, row.total_events) == (1, 1, 1)
    assert session.scalar(text("SELECT count(*) FROM car_listing_analytics")) == 2
