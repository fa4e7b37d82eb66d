"""Promises of due times: gaps, overlaps, intervals, repetition within the minute, and how they are
evaluated.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from timetables import new_task

from forecourt.schedule.errors import TimetableError
from forecourt.schedule.task import Task

SHIFTS = {
    "America/Chicago gap 02:00": ("America/Chicago", datetime(2025, 3, 9, 8, tzinfo=UTC)),
    "America/Chicago overlap 01:00": ("America/Chicago", datetime(2025, 11, 2, 7, tzinfo=UTC)),
    "Africa/Cairo gap 00:00": ("Africa/Cairo", datetime(2026, 4, 23, 22, tzinfo=UTC)),
    "Africa/Cairo overlap 23:00": ("Africa/Cairo", datetime(2026, 10, 29, 21, tzinfo=UTC)),
    "Asia/Beirut gap 00:00": ("Asia/Beirut", datetime(2026, 3, 28, 22, tzinfo=UTC)),
    "Asia/Damascus gap 00:00": ("Asia/Damascus", datetime(2022, 3, 24, 22, tzinfo=UTC)),
    "Lord Howe gap of half an hour": ("Australia/Lord_Howe", datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
    "Lord Howe overlap of half an hour": ("Australia/Lord_Howe", datetime(2026, 4, 4, 15, tzinfo=UTC)),
    "St. John's falls back into yesterday": ("America/St_Johns", datetime(2010, 11, 7, 2, 31, tzinfo=UTC)),
    "Apia skips a whole day": ("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),
    "UTC never shifts": ("UTC", datetime(2026, 1, 1, tzinfo=UTC)),
}


def walls(task: Task, after: str, until: str) -> list[str]:
    """The due times in (after, until], which are wall times of the task's zone, as wall times with
    their offset.
    """
    start, end = (datetime.fromisoformat(text).replace(tzinfo=task.zone) for text in (after, until))
    return [f"{due.astimezone(task.zone):%d %H:%M%z}" for due in task.occurrences(start, end)]


@pytest.mark.parametrize(
    ("zone", "cron", "day", "due"),
    [
        ("America/Chicago", "30 2 * * *", "2025-03-09", ["09 03:00-0500"]),
        ("America/Chicago", "0,15,30,45 2 * * *", "2025-03-09", ["09 03:00-0500"]),
        ("America/Chicago", "30 2,3 * * *", "2025-03-09", ["09 03:00-0500", "09 03:30-0500"]),
        ("America/Chicago", "0 3 * * *", "2025-03-09", ["09 03:00-0500"]),
        ("Africa/Cairo", "0 0 * * *", "2026-04-24", ["24 01:00+0300"]),
        ("Africa/Cairo", "0 0 * * 5", "2026-04-24", ["24 01:00+0300"]),
        ("Asia/Beirut", "@daily", "2026-03-29", ["29 01:00+0300"]),
        ("Asia/Damascus", "1 0 * * *", "2022-03-25", ["25 01:00+0300"]),
        ("Australia/Lord_Howe", "15 2 * * *", "2026-10-04", ["04 02:30+1100"]),
    ],
)
def test_a_time_in_a_gap_is_due_once_at_the_first_instant_after_it(
    zone: str, cron: str, day: str, due: list[str]
) -> None:
    eve = datetime.fromisoformat(day) - timedelta(hours=1)
    assert walls(new_task(zone).cron(cron), eve.isoformat(), f"{day}T23:59") == due


@pytest.mark.parametrize(
    ("zone", "cron", "day", "due"),
    [
        ("America/Chicago", "30 1 * * *", "2025-11-02", ["02 01:30-0500"]),
        ("America/Chicago", "0,30 1,2 * * *", "2025-11-02", ["01:00-0500", "01:30-0500", "02:00-0600", "02:30-0600"]),
        ("Africa/Cairo", "30 23 * * *", "2026-10-29", ["29 23:30+0300"]),
        ("Australia/Lord_Howe", "45 1 * * *", "2026-04-05", ["05 01:45+1100"]),
    ],
)
def test_a_time_in_an_overlap_is_due_once_the_first_time(zone: str, cron: str, day: str, due: list[str]) -> None:
    found = walls(new_task(zone).cron(cron), f"{day}T00:30", f"{day}T23:59:59")
    assert found == [f"{day[-2:]} {text}" if len(text) == 10 else text for text in due]


def test_nothing_is_due_again_when_evaluation_starts_inside_the_overlap() -> None:
    task = new_task("America/Chicago").daily_at("01:30")
    second_one_ten = datetime(2025, 11, 2, 7, 10, tzinfo=UTC)
    assert task.next_due(second_one_ten) == datetime(2025, 11, 3, 7, 30, tzinfo=UTC)


@pytest.mark.parametrize("shift", SHIFTS)
def test_every_half_hour_is_every_real_half_hour(shift: str) -> None:
    zone, shifts = SHIFTS[shift]
    at, day = shifts.replace(minute=shifts.minute // 30 * 30), timedelta(days=1)
    due = list(new_task(zone).cron("*/30 * * * *").occurrences(at - day, at + day))
    assert due == [at - day + number * timedelta(minutes=30) for number in range(1, 97)]


def next_three(zone: str, cron: str, after: str) -> list[str]:
    """The next due times after an instant on the zone's wall, as its wall shows them."""
    task = new_task(zone).cron(cron)
    start = datetime.fromisoformat(after).replace(tzinfo=task.zone)
    found = islice(task.occurrences(start, datetime.max.replace(tzinfo=UTC)), 3)
    return [f"{instant.astimezone(task.zone):%d %H:%M%z}" for instant in found]


@pytest.mark.parametrize(
    ("zone", "cron", "after", "due"),
    [
        # Days that begin after a gap lose nothing, whether or not the days are restricted.
        ("Africa/Cairo", "*/30 1 * * *", "2026-04-23T12:00", ["24 01:00+0300", "24 01:30+0300", "25 01:00+0300"]),
        ("Africa/Cairo", "*/30 1 * * 5", "2026-04-23T12:00", ["24 01:00+0300", "24 01:30+0300", "01 01:00+0300"]),
        ("Africa/Cairo", "0 */2 * * 5", "2026-04-23T12:00", ["24 01:00+0300", "24 02:00+0300", "24 04:00+0300"]),
        # Half-hour shifts move no hour's first half out of sight.
        (
            "Australia/Lord_Howe",
            "*/20 3 * * *",
            "2026-10-03T12:00",
            ["04 03:00+1100", "04 03:20+1100", "04 03:40+1100"],
        ),
        (
            "Australia/Lord_Howe",
            "*/20 2 * * *",
            "2026-04-04T12:00",
            ["05 02:00+1030", "05 02:20+1030", "05 02:40+1030"],
        ),
        ("America/Chicago", "0 */2 * * *", "2025-03-09T00:00", ["09 03:00-0500", "09 04:00-0500", "09 06:00-0500"]),
    ],
)
def test_an_interval_is_read_off_the_wall_clock_as_it_runs(zone: str, cron: str, after: str, due: list[str]) -> None:
    assert next_three(zone, cron, after) == due


@pytest.mark.parametrize(
    ("zone", "cron", "after", "due"),
    [
        # Lost or doubled in a night of a shift, if they went by elapsed time.
        ("America/Chicago", "*/15 2 * * *", "2025-03-08T12:00", ["09 03:00-0500", "10 02:00-0500", "10 02:15-0500"]),
        ("Africa/Cairo", "0 */24 * * *", "2026-04-23T12:00", ["24 01:00+0300", "25 00:00+0300", "26 00:00+0300"]),
        ("Africa/Cairo", "0 */6 * * *", "2026-10-29T18:30", ["30 00:00+0200", "30 06:00+0200", "30 12:00+0200"]),
        ("America/Chicago", "30 */1 * * *", "2025-11-02T00:45", ["02 01:30-0500", "02 02:30-0600", "02 03:30-0600"]),
        ("America/Chicago", "30 * * * *", "2025-11-02T00:45", ["02 01:30-0500", "02 01:30-0600", "02 02:30-0600"]),
    ],
)
def test_only_what_runs_in_every_hour_goes_by_elapsed_time(zone: str, cron: str, after: str, due: list[str]) -> None:
    assert next_three(zone, cron, after) == due


@pytest.mark.parametrize(
    ("cron", "policy", "after", "due"),
    [
        ("30 * * * *", "wall", "2025-11-02T00:45", ["02 01:30-0500", "02 02:30-0600", "02 03:30-0600"]),
        ("*/30 * * * *", "wall", "2025-03-09T01:00", ["09 01:30-0600", "09 03:00-0500", "09 03:30-0500"]),
        ("30 0-23 * * *", "elapsed", "2025-11-02T00:45", ["02 01:30-0500", "02 01:30-0600", "02 02:30-0600"]),
    ],
)
def test_a_task_may_say_what_a_shift_does_to_it(cron: str, policy: Any, after: str, due: list[str]) -> None:
    task = new_task("America/Chicago").cron(cron)
    assert task.fingerprint != task.shift_policy(policy).fingerprint, (
        "it is due at other times, so it is another version"
    )
    start = datetime.fromisoformat(after).replace(tzinfo=task.zone)
    found = islice(task.occurrences(start, start + timedelta(days=1)), 3)
    assert [f"{at.astimezone(task.zone):%d %H:%M%z}" for at in found] == due


@pytest.mark.parametrize(
    ("say", "words"),
    [
        (lambda task: task.daily_at("02:30").shift_policy("elapsed"), "names times of day, so shift_policy"),
        (lambda task: task.every_ten_seconds().shift_policy("wall"), "every 10 seconds is an interval: leave out"),
        (lambda task: task.hourly().shift_policy("dst"), "expected 'wall' or 'elapsed'"),
    ],
)
def test_a_shift_policy_that_does_not_fit_is_refused(say: Callable[[Task], Task], words: str) -> None:
    with pytest.raises(TimetableError, match=words):
        say(new_task()).wall_times()


def test_seconds_are_aligned_with_the_minute() -> None:
    task = new_task().every_fifteen_seconds().weekdays()
    saturday = datetime(2026, 11, 28, tzinfo=UTC)
    due = list(task.occurrences(saturday - timedelta(seconds=40), saturday + timedelta(days=1)))
    assert [instant.second for instant in due] == [30, 45]
    assert task.next_due(saturday) == datetime(2026, 11, 30, tzinfo=UTC)
    assert task.next_due(due[0] + timedelta(microseconds=1)) == due[1]


def test_a_due_time_is_due_during_its_minute_or_second() -> None:
    at = datetime(2026, 11, 23, 9, tzinfo=UTC)
    daily, often = new_task().daily_at("9:00"), new_task().every_ten_seconds()
    assert daily.is_due(at + timedelta(seconds=59.9))
    assert not daily.is_due(at + timedelta(seconds=60))
    assert not daily.is_due(at - timedelta(microseconds=1))
    assert often.is_due(at + timedelta(seconds=10.9))
    assert not often.is_due(at + timedelta(seconds=11))


def test_the_interval_is_open_at_its_start_and_closed_at_its_end() -> None:
    task = new_task().hourly()
    nine, ten = datetime(2026, 11, 23, 9, tzinfo=UTC), datetime(2026, 11, 23, 10, tzinfo=UTC)
    assert list(task.occurrences(nine, ten)) == [ten]
    assert list(task.occurrences(ten, nine)) == []


def test_any_aware_instant_will_do_and_answers_are_in_utc() -> None:
    task = new_task("Asia/Damascus").daily_at("00:01")
    due = task.next_due(datetime(2026, 11, 23, 3, tzinfo=ZoneInfo("Asia/Tokyo")))
    assert due == datetime(2026, 11, 22, 21, 1, tzinfo=UTC)
    assert due.tzinfo is UTC


def test_naive_instants_are_refused_at_the_call() -> None:
    task, naive, fine = new_task().daily(), datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC)  # noqa: DTZ001
    for ask in (
        lambda: task.is_due(naive),
        lambda: task.next_due(naive),
        lambda: task.occurrences(naive, fine),
        lambda: task.occurrences(fine, naive),
    ):
        with pytest.raises(ValueError, match="has no time zone: pass an aware datetime"):
            ask()


def test_the_end_of_the_calendar_is_an_error_and_no_loop() -> None:
    end = datetime(9999, 6, 1, tzinfo=UTC)
    for task in (new_task().daily(), new_task().every_minute()):
        with pytest.raises(OverflowError, match="end of the calendar"):
            task.next_due(end)


# What follows compares with a slow, independent reading: every minute is looked at, one after the
# other.


@dataclass(frozen=True)
class Text:
    """A cron expression, and what its fields name."""

    cron: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    weekdays: frozenset[int]

    def names(self, wall: datetime) -> bool:
        """Whether a wall time is one of those that it names: on either kind of day where both are
        given, else on both.
        """
        _, _, day, _, weekday = self.cron.split()
        fits = [wall.day in self.days, wall.isoweekday() % 7 in self.weekdays]
        on_its_day = all(fits) if day.startswith("*") or weekday.startswith("*") else any(fits)
        return on_its_day and wall.minute in self.minutes and wall.hour in self.hours


def fields(first: int, last: int, most: int) -> st.SearchStrategy[tuple[str, frozenset[int]]]:
    """One field: any value, a step, or a list."""
    steps = st.integers(2, most).map(lambda step: (f"*/{step}", frozenset(range(first, last + 1, step))))
    lists = st.frozensets(st.integers(first, last), min_size=1, max_size=most).map(
        lambda numbers: (",".join(map(str, sorted(numbers))), numbers)
    )
    return st.just(("*", frozenset(range(first, last + 1)))) | steps | lists


@st.composite
def texts(draw: st.DrawFn) -> Text:
    """A cron expression of minutes, hours, days of the month and days of the week."""
    (minute, minutes), (hour, hours) = draw(fields(0, 59, 8)), draw(fields(0, 23, 8))
    (day, days), (weekday, weekdays) = draw(fields(1, 31, 15)), draw(fields(0, 6, 3))
    return Text(f"{minute} {hour} {day} * {weekday}", minutes, hours, days, weekdays)


def minute_by_minute(text: Text, zone: ZoneInfo, after: datetime, until: datetime) -> Iterator[datetime]:
    """The due times in (after, until], by the rule for gaps, overlaps and intervals said
    literally.
    """
    by_elapsed_time = text.cron.split()[1] == "*"
    instant = (after - timedelta(hours=30)).replace(second=0, microsecond=0)
    furthest = instant.astimezone(zone).replace(tzinfo=None)  # what the clock has shown or jumped over so far
    while (instant := instant + timedelta(minutes=1)) <= until:
        wall = instant.astimezone(zone).replace(tzinfo=None)
        due = by_elapsed_time and text.names(wall)
        while furthest < wall:
            furthest += timedelta(minutes=1)
            due = due or (not by_elapsed_time and text.names(furthest))
        if due and instant > after:
            yield instant


seconds = st.integers(-36 * 3600, 36 * 3600).map(lambda number: timedelta(seconds=number))


@settings(max_examples=200, deadline=None)
@given(text=texts(), shift=st.sampled_from(sorted(SHIFTS)), ends=st.tuples(seconds, seconds).map(sorted))
def test_due_times_are_what_a_minute_by_minute_reading_finds(text: Text, shift: str, ends: list[timedelta]) -> None:
    zone, at = SHIFTS[shift]
    after, until = at + ends[0], at + ends[1]
    task = new_task(zone).cron(text.cron)
    due = list(task.occurrences(after, until))
    assert due == list(minute_by_minute(text, ZoneInfo(zone), after, until))
    assert all(earlier < later for earlier, later in pairwise(due))


@settings(max_examples=60, deadline=None)
@given(text=texts(), shift=st.sampled_from(sorted(SHIFTS)), start=seconds)
def test_a_minute_is_due_exactly_when_an_occurrence_lies_in_it(text: Text, shift: str, start: timedelta) -> None:
    zone, at = SHIFTS[shift]
    first = (at + start).replace(second=0)
    task = new_task(zone).cron(text.cron)
    due = set(task.occurrences(first - timedelta(minutes=1), first + timedelta(minutes=90)))
    minutes = [first + timedelta(minutes=number) for number in range(90)]
    assert [minute for minute in minutes if task.is_due(minute + timedelta(seconds=31))] == [
        minute for minute in minutes if minute in due
    ]


def test_an_hour_that_comes_twice_is_due_twice_also_seen_from_a_day_before() -> None:
    """Cairo's Thursday 29 October 2026 has 25 hours; what follows is a Sunday."""
    task = new_task("Africa/Cairo").cron("*/2 * * * 0,4")
    shift = datetime(2026, 10, 29, 21, tzinfo=UTC)
    for early in range(0, 300, 10):
        first = shift - timedelta(days=1, seconds=early)
        assert shift in set(task.occurrences(first, shift + timedelta(minutes=3)))


@settings(max_examples=100, deadline=None)
@given(text=texts(), shift=st.sampled_from(sorted(SHIFTS)), ends=st.tuples(seconds, seconds, seconds).map(sorted))
def test_splitting_an_interval_neither_loses_nor_doubles(text: Text, shift: str, ends: list[timedelta]) -> None:
    zone, at = SHIFTS[shift]
    task = new_task(zone).cron(text.cron)
    first, middle, last = (at + end for end in ends)
    parts = [*task.occurrences(first, middle), *task.occurrences(middle, last)]
    assert parts == list(task.occurrences(first, last))


@settings(max_examples=60, deadline=None)
@given(shift=st.sampled_from(sorted(SHIFTS)), ends=st.tuples(seconds, seconds).map(sorted), data=st.data())
def test_each_due_minute_repeats_its_seconds(shift: str, ends: list[timedelta], data: st.DataObject) -> None:
    zone, at = SHIFTS[shift]
    after = at + ends[0]
    until = min(at + ends[1], after + timedelta(hours=2))
    days = data.draw(st.sampled_from([(0, 1, 2, 3), (4, 5), (5, 6, 0), tuple(range(7))]))
    task = new_task(zone).every_twenty_seconds().days(*days)
    tick = after.replace(second=0)
    expected = []
    while tick <= until:
        if tick > after and tick.astimezone(ZoneInfo(zone)).isoweekday() % 7 in days:
            expected.append(tick)
        tick += timedelta(seconds=20)
    assert list(task.occurrences(after, until)) == expected
