"""Promises of quiet hours: by the reader's clocks, across midnight and across shifts, and never
longer than they last.
"""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from showroom import notifications, told, user
from sqlalchemy import text
from sqlalchemy.orm import Session

from forecourt import Release
from forecourt.database import in_transaction_of
from forecourt.marketplace.business_changes import change
from forecourt.marketplace.delivery import deliver_mail
from forecourt.quiet import quiet_until

NIGHT = (time(22), time(8))
DAMASCUS, CAIRO = ZoneInfo("Asia/Damascus"), ZoneInfo("Africa/Cairo")


def at(written: str) -> datetime:
    return datetime.fromisoformat(written).astimezone(UTC)


START = datetime(2020, 1, 1, tzinfo=UTC)


def minutes_to(written: str) -> int:
    return int((at(written) - START).total_seconds() // 60)


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-11-23T21:59:59+03:00", None),
        ("2026-11-23T22:00:00+03:00", "2026-11-24T08:00:00+03:00"),
        ("2026-11-23T23:59:59+03:00", "2026-11-24T08:00:00+03:00"),
        ("2026-11-24T00:00:00+03:00", "2026-11-24T08:00:00+03:00"),
        ("2026-11-24T07:59:59+03:00", "2026-11-24T08:00:00+03:00"),
        ("2026-11-24T08:00:00+03:00", None),
    ],
)
def test_a_night_reaches_across_midnight(now: str, end: str | None) -> None:
    assert quiet_until(at(now), DAMASCUS, NIGHT) == (end and at(end))


def test_hours_within_a_day_end_on_the_same_day() -> None:
    siesta = (time(13), time(16, 30))
    assert quiet_until(at("2026-11-23T14:00:00+03:00"), DAMASCUS, siesta) == at("2026-11-23T16:30:00+03:00")
    assert quiet_until(at("2026-11-23T17:00:00+03:00"), DAMASCUS, siesta) is None


def test_in_the_night_of_a_shift_they_end_when_the_clock_on_the_wall_says_so() -> None:
    # Cairo, 24 April 2026: midnight does not exist, clocks go to 01:00. 29 October: clocks go back
    # from midnight to 23:00.
    assert quiet_until(at("2026-04-23T23:30:00+02:00"), CAIRO, NIGHT) == at("2026-04-24T08:00:00+03:00")
    assert quiet_until(at("2026-10-29T23:30:00+03:00"), CAIRO, NIGHT) == at("2026-10-30T08:00:00+02:00")
    assert quiet_until(at("2026-10-29T23:30:00+02:00"), CAIRO, NIGHT) == at("2026-10-30T08:00:00+02:00")


def test_an_end_that_the_clocks_skip_is_the_instant_they_go_to() -> None:
    assert quiet_until(at("2026-04-23T23:00:00+02:00"), CAIRO, (time(22), time(0, 30))) == at(
        "2026-04-24T01:30:00+03:00"
    )


@given(
    minutes=st.integers(0, 15 * 365 * 24 * 60),
    zone=st.sampled_from(
        ["Africa/Cairo", "Asia/Damascus", "Asia/Beirut", "Europe/Berlin", "Australia/Lord_Howe", "UTC"]
    ),
    begin=st.integers(0, 95),
    length=st.integers(1, 95),
)
@example(minutes=minutes_to("2026-10-29T23:20:00+02:00"), zone="Africa/Cairo", begin=90, length=4)
def test_they_end_later_than_now_and_within_a_day(minutes: int, zone: str, begin: int, length: int) -> None:
    now = START + timedelta(minutes=minutes)
    start, end = (time(quarter // 4, quarter % 4 * 15) for quarter in (begin, (begin + length) % 96))
    until = quiet_until(now, ZoneInfo(zone), (start, end))
    if until is not None:
        assert now < until <= now + timedelta(hours=25)


def test_a_mail_waits_for_the_morning_of_its_reader_and_costs_no_try(session: Session) -> None:
    now = session.scalar(text("SELECT now()"))
    assert isinstance(now, datetime)
    local = now.astimezone(DAMASCUS)
    hours = f"{local - timedelta(hours=1):%H:%M}-{local + timedelta(hours=3):%H:%M}"
    change(in_transaction_of(session), "quiet_hours", hours, who="a test")
    sleeps = told(session, owner=user(session, "Sami", timezone="Asia/Damascus"))
    with pytest.raises(Release, match="quiet hours of the reader") as put_off:
        deliver_mail(session, str(sleeps.id))
    assert 2 * 3600 < put_off.value.delay <= 3 * 3600
    assert notifications(session)[0].mail_status == "pending"
    wakes = told(session, owner=user(session, "Nour", timezone="Pacific/Auckland"))
    assert deliver_mail(session, str(wakes.id)) == {"filed": 1}
