"""Promises of between and unless_between."""

from datetime import UTC, datetime, timedelta

import pytest
from timetables import new_task

from forecourt.schedule.errors import TimetableError

NINE = datetime(2026, 11, 23, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end", "inside"),
    [
        ("8:00", "10:00", True),
        ("9:00", "9:00", True),
        ("23:00", "10:00", True),
        ("8:00", "6:00", True),
        ("10:00", "11:00", False),
        ("10:00", "8:00", False),
    ],
)
def test_a_window_holds_and_its_negation_is_the_opposite(start: str, end: str, inside: bool) -> None:
    assert new_task().every_minute().between(start, end).is_due(NINE) is inside
    assert new_task().every_minute().unless_between(start, end).is_due(NINE) is not inside


def test_both_ends_belong_to_the_window_the_last_minute_whole() -> None:
    task = new_task().every_thirty_seconds().between("8:59", "9:00")
    due = list(task.occurrences(NINE - timedelta(hours=1), NINE + timedelta(hours=1)))
    assert [f"{instant:%H:%M:%S}" for instant in due] == ["08:59:00", "08:59:30", "09:00:00", "09:00:30"]


def test_a_window_may_cross_midnight() -> None:
    task = new_task().hourly().between("23:00", "1:30")
    due = task.occurrences(NINE, NINE + timedelta(days=1))
    assert [instant.hour for instant in due] == [23, 0, 1]


def test_windows_are_read_in_the_task_s_zone_named_before_or_after() -> None:
    rome = "Europe/Rome"  # one hour ahead of UTC in November
    assert new_task().timezone(rome).hourly().between("10:00", "10:00").is_due(NINE)
    assert new_task().hourly().between("10:00", "10:00").timezone(rome).is_due(NINE)


def test_several_windows_must_all_admit() -> None:
    task = new_task().hourly().between("8:00", "18:00").unless_between("12:00", "14:00").between("9:00", "15:00")
    due = task.occurrences(NINE - timedelta(hours=9), NINE + timedelta(hours=14))
    assert [instant.hour for instant in due] == [9, 10, 11, 15]


def test_a_due_time_that_a_gap_moved_stays_inside_its_window() -> None:
    task = new_task("America/Chicago").daily_at("02:30").between("2:00", "2:59")
    assert task.next_due(datetime(2025, 3, 9, tzinfo=UTC)) == datetime(2025, 3, 9, 8, tzinfo=UTC)


def test_a_time_outside_its_window_is_a_mistake_and_no_endless_search() -> None:
    task = new_task().daily().between("8:00", "17:00")
    with pytest.raises(TimetableError, match=r"task 'sweep' .*'0 0 \* \* \*' is never due between 08:00 and 17:00"):
        task.next_due(NINE)
    assert task.at("9:00").is_due(NINE)  # the time may still follow the window


@pytest.mark.parametrize(("start", "end"), [("8:00", "24:00"), ("8", "8:60"), ("", "9:00")])
def test_a_window_s_ends_are_times_of_day(start: str, end: str) -> None:
    task = new_task()
    with pytest.raises(TimetableError, match="not a time of day"):
        task.between(start, end)
    assert task.sentence == "Every minute"
