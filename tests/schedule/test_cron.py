"""Promises of cron expressions: what is read, what is refused, and how fast."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from itertools import islice
from time import process_time
from typing import Any

import pytest
from timetables import new_task

from forecourt.schedule.cron import LONGEST, parse_cron
from forecourt.schedule.errors import TimetableError


@pytest.mark.parametrize(
    ("expression", "days"),
    [
        ("0 0 L * *", [(1, 31), (2, 28), (3, 31)]),
        ("0 0 LW * *", [(1, 30), (2, 27), (3, 31)]),
        ("0 0 * * 5L", [(1, 30), (2, 27), (3, 27)]),
        ("0 0 * * 1#2", [(1, 12), (2, 9), (3, 9)]),
        ("0 0 ? * mon", [(1, 5), (1, 12), (1, 19)]),
        ("0 0 15 feb-APR ?", [(2, 15), (3, 15), (4, 15)]),
        ("0 0 * * 7", [(1, 4), (1, 11), (1, 18)]),
    ],
)
def test_day_rules(expression: str, days: list[tuple[int, int]]) -> None:
    found = islice(parse_cron(expression).days_from(date(2026, 1, 1)), len(days))
    assert list(found) == [date(2026, month, day) for month, day in days]


@pytest.mark.parametrize("nickname", ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"])
def test_nicknames_are_read_and_kept_as_written(nickname: str) -> None:
    task = new_task().cron(nickname)
    assert task.cron == nickname
    assert task.next_due(datetime(2025, 12, 31, 23, 59, tzinfo=UTC)).minute == 0


def test_the_expression_is_text_like_any_other() -> None:
    cron = new_task().cron("0  9 * * 1-5 ").cron
    assert cron == "0 9 * * 1-5"
    assert isinstance(cron, str)
    assert f"{cron}".split()[1] == "9"


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("0 0 30 2 *", "never due: no month 2 has a day 30"),
        ("0 0 31 4,6,9,11 *", "never due: no month 4,6,9,11 has a day 31"),
        ("0 0 LW * */7", r"never due: no day of month LW is a day of week \*/7"),
        ("0 0 */31 2 5L", r"never due: no day of month \*/31 is a day of week 5L"),
        ("0 0 ? * ?", "'\\?' may stand for the day of month or the day of week"),
        ("? 0 * * *", "'\\?' may stand for the day of month or the day of week"),
        ("0 0 15W * *", "nearest to a day .15W. is not known"),
        ("0 22-4 * * *", "a range goes upwards"),
        ("*/0 * * * *", "minute '\\*/0'"),
        ("5-5/0 * * * *", "minute '5-5/0'"),
        ("0 24 * * *", "hour '24' .* expected 0-23"),
        ("0 0 * * 1#6", "day-of-week '1#6'"),
        ("0 0 * FOO *", "month 'FOO' .* expected 1-12 or JAN-DEC"),
        ("30 0 9 * * *", "has 6 fields, not 5.*every_ten_seconds"),
        ("0 9 * *", "has 4 fields, not 5"),
        ("", "has 0 fields, not 5"),
        ("@reboot", "'@reboot' is not one of @yearly"),
    ],
)
def test_what_could_mean_nothing_or_two_things_is_refused(expression: str, words: str) -> None:
    with pytest.raises(TimetableError, match=words):
        new_task().cron(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "0 0 1--100000000 * *",
        "0 0 1-100000000 * *",
        "0-99999999999999999999/1 * * * *",
        f"{'9' * 240} * * * *",
        "* * * * *" + " *" * 1_000_000,
        "0 0 1-31/0 * *",
        "\x00 * * * *",
    ],
    ids=lambda expression: expression[:24],
)
def test_a_hostile_expression_is_answered_at_once(expression: str) -> None:
    task = new_task()
    started = process_time()
    with pytest.raises(TimetableError) as refused:
        task.cron(expression)
    assert process_time() - started < 0.1
    assert len(str(refused.value)) < 3 * LONGEST


@pytest.mark.parametrize("expression", ["5-5/4 * 1 1 *", "05-5/4 * 1 Jan-jan/2 *", "5-05/4 * 01-1/7 JAN-1/3 *"])
def test_a_range_of_one_value_is_that_value_however_it_is_written(expression: str) -> None:
    cron = parse_cron(expression)
    assert {minute % 60 for minute in cron.minutes} == {5}
    assert list(islice(cron.days_from(date(2026, 1, 1)), 2)) == [date(2026, 1, 1), date(2027, 1, 1)]


def test_every_minute_and_hour_written_out_still_fits() -> None:
    written = f"{','.join(map(str, range(60)))} {','.join(map(str, range(24)))} * * *"
    assert len(parse_cron(written).minutes) == 24 * 60


@pytest.mark.parametrize("expression", ["0 0 29 2 *", "*/5 * 29 2 *", "0 0 * 2 0#5"])
def test_the_rarest_days_are_found_fast(expression: str) -> None:
    task = new_task("Asia/Damascus").cron(expression)
    started = process_time()
    found = task.next_due(datetime(2096, 3, 1, tzinfo=UTC))  # 2100 is no leap year
    assert process_time() - started < 0.1
    assert found.year > 2100


@pytest.mark.parametrize(
    ("expression", "same"),
    [
        ("5-5/4 * * * *", "5 * * * *"),
        ("0 0 * * FRI-MON", "0 0 * * 5,6,0,1"),
        ("0 0 * * MON-SUN", "0 0 * * *"),
        ("0 0 * * fri-sun,3", "0 0 * * 5,6,0,3"),
        ("0 0 * * 5-1/2", "0 0 * * 5,0"),
        ("0 0 * * 7-7", "0 0 * * 0"),
        ("0 0 * * FRIL", "0 0 * * 5L"),
        ("0 0 * * MON#2", "0 0 * * 1#2"),
    ],
)
def test_what_is_written_elsewhere_is_read_here(expression: str, same: str) -> None:
    begin, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
    written, meant = new_task().cron(expression), new_task().cron(same)
    assert list(written.occurrences(begin, end)) == list(meant.occurrences(begin, end))


def test_an_expression_that_restricts_both_days_runs_on_either() -> None:
    task = new_task().cron("0 9 1,15 * 1-5")
    due = [at.day for at in task.occurrences(datetime(2026, 8, 1, tzinfo=UTC), datetime(2026, 8, 31, tzinfo=UTC))]
    assert due == [1, *range(3, 8), *range(10, 15), 15, *range(17, 22), *range(24, 29)], "Saturdays 1 and 15 as well"
    with_a_step = new_task().cron("0 9 */10 * 1")
    year = with_a_step.occurrences(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 12, 31, tzinfo=UTC))
    due = [at.date().isoformat() for at in year]
    assert due == ["2026-05-11", "2026-06-01", "2026-08-31", "2026-09-21", "2026-12-21"], (
        "a step begins with a star: both"
    )


def test_fluent_days_fill_an_open_fifth_field() -> None:
    assert new_task().cron("5 4 * * *").weekends().cron == "5 4 * * 6,0"
    assert new_task().days(1, 3).cron("@daily").cron == "0 0 * * 1,3"


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda task: task.everyMinute(), "has no word 'everyMinute'; there is every_minute"),
        (lambda task: task.dailyAt("1:00"), "has no word 'dailyAt'; there is daily_at"),
        (lambda task: task.hourlly(), "has no word 'hourlly'; there is hourly"),
        (lambda task: task.name("x"), "a task's name is given where it is added"),
        (lambda task: task.description("x"), r"by describe\('...'\)"),
        (
            lambda task: task.catch_up(within="1h"),
            "catch_up\\(within='1h'\\): expected a timedelta, or seconds, from 90 to a hundred years",
        ),
        (lambda task: task.catch_up(within=60), "up to then a due time counts as met"),
        (lambda task: task.using(priority="high"), "priority: expected a whole number from .*, not 'high'"),
        (lambda task: task.catch_up(every=3600), "catch_up.*: expected True or False; how late, within= says"),
        (lambda task: task.daily_at(None), "'' is not a time of day"),
        (lambda task: task.ping_before(None), "None cannot be pinged"),
        (lambda task: task.timezone("GMT+3"), "3 hours ahead of UTC is Etc/GMT-3 there"),
    ],
)
def test_words_of_other_schedulers_and_slips_are_answered(mistake: Callable[[Any], object], words: str) -> None:
    with pytest.raises((TimetableError, AttributeError), match=words):
        mistake(new_task())
