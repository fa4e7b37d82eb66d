"""Promises of cron expressions: what is read, what is refused, and how fast."""

from datetime import UTC, date, datetime
from itertools import islice
from time import process_time

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
        ("0 0 1 * 1", r"restricts both .* Add the job twice"),
        ("0 0 */2 * 1", "restricts both"),
        ("0 0 30 2 *", "never due: no month 2 has a day 30"),
        ("0 0 31 4,6,9,11 *", "never due: no month 4,6,9,11 has a day 31"),
        ("0 0 ? * ?", "'\\?' may stand for the day of month or the day of week"),
        ("? 0 * * *", "'\\?' may stand for the day of month or the day of week"),
        ("0 0 15W * *", "nearest to a day .15W. is not known"),
        ("0 0 * * FRI-MON", "a range goes upwards"),
        ("*/0 * * * *", "minute '\\*/0'"),
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
