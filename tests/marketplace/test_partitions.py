"""Promises of the day partitions."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session
from traffic import DAY, event, events, now, today

from forecourt.database import engine
from forecourt.marketplace.partitions import DAYS_AHEAD, partitions, premake


def home(session: Session) -> list[str]:
    """The table that each event lies in."""
    query = "SELECT tableoid::regclass::text FROM car_listing_analytics ORDER BY created_at"
    return list(session.scalars(text(query)))


def drop(session: Session, day: datetime) -> str:
    name = f"car_listing_analytics_{day:%Y%m%d}"
    session.execute(text(f"DROP TABLE {name}"))
    return name


def test_a_new_database_has_partitions_from_yesterday_to_two_weeks_ahead(session: Session) -> None:
    start = datetime.combine(today(session), datetime.min.time(), UTC) - DAY
    made = partitions(session)
    assert [(p.lower, p.upper) for p in made] == [
        (start + n * DAY, start + (n + 1) * DAY) for n in range(DAYS_AHEAD + 2)
    ]


def test_making_them_again_makes_none(session: Session) -> None:
    assert premake(session) == 0


def test_a_missing_day_is_made_and_takes_over_its_events_from_the_default_partition(session: Session) -> None:
    soon = now(session) + 3 * DAY
    name = drop(session, soon)
    event(session, 1, soon)
    event(session, 2, now(session) - 400 * DAY)
    assert home(session) == ["car_listing_analytics_default"] * 2
    assert premake(session) == 1
    assert home(session) == ["car_listing_analytics_default", name]


def test_an_event_outside_every_partition_is_kept_in_the_default_one(session: Session) -> None:
    event(session, 1, now(session) - 400 * DAY)
    event(session, 1, now(session) + 400 * DAY)
    assert events(session) == 2
    assert set(home(session)) == {"car_listing_analytics_default"}


@pytest.mark.parametrize("at", ["0001-01-01Z", "1999-12-31Z", "2100-01-01Z", "infinity", "-infinity"])
def test_an_event_at_a_time_that_no_clock_means_is_refused_with_words(session: Session, at: str) -> None:
    with pytest.raises(IntegrityError, match="created_at_is_plausible"):
        session.execute(text(f"INSERT INTO car_listing_analytics VALUES (1, 1, '{at}', 'view')"))


def test_a_made_partition_notes_late_events_like_the_others(session: Session) -> None:
    drop(session, now(session) - DAY)
    session.commit()
    premake(session)
    late = now(session) - DAY - timedelta(seconds=1)
    event(session, 1, late)
    assert list(session.scalars(text("SELECT day FROM analytics_late_days"))) == [late.astimezone(UTC).date()]


def test_it_gives_up_soon_when_the_default_partition_is_in_use(session: Session) -> None:
    drop(session, now(session) + 3 * DAY)
    session.commit()
    with engine().begin() as reader:
        reader.execute(text("SELECT count(*) FROM car_listing_analytics_default"))
        with pytest.raises(OperationalError, match="lock timeout"):
            premake(session)
    session.rollback()
    assert premake(session) == 1


def test_bounds_are_read_right_whatever_the_session_s_time_zone(session: Session) -> None:
    plain = partitions(session)
    session.execute(text("SET TIME ZONE 'Asia/Kolkata'"))
    assert partitions(session) == plain
