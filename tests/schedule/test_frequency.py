"""Promises of the frequency words: what a chain means, and which chains are refused."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from timetables import chained, new_task, spoken, vectors

from forecourt.schedule.errors import TimetableError
from forecourt.schedule.frequency import FRIDAY, MONDAY, SATURDAY, SUNDAY
from forecourt.schedule.task import Task


@pytest.mark.parametrize("vector", vectors("frequency"), ids=lambda vector: spoken(vector["call"]))
def test_a_chain_means_its_cron_expression(vector: dict[str, Any]) -> None:
    task = chained(new_task(), vector["call"])
    assert task.cron == vector["cron"]
    assert task.repeat_seconds == vector.get("repeat_seconds")


@pytest.mark.parametrize("vector", vectors("due"), ids=lambda vector: f"{spoken(vector['call'])} at {vector['at']}")
def test_a_chain_is_due_when_it_says(vector: dict[str, Any]) -> None:
    assert chained(new_task(), vector["call"]).is_due(datetime.fromisoformat(vector["at"])) is vector["due"]


@pytest.mark.parametrize("vector", vectors("contradictions"), ids=lambda vector: spoken(vector["call"]))
def test_a_contradiction_is_refused_at_the_word_that_makes_it(vector: dict[str, Any]) -> None:
    *before, last = vector["call"]
    task = chained(new_task(), before)
    said = task.cron, task.repeat_seconds
    with pytest.raises(TimetableError, match=r"^task 'sweep' \(.*timetables\.py:\d+\): "):
        chained(task, [last])
    assert (task.cron, task.repeat_seconds) == said


@pytest.mark.parametrize(
    ("say", "cron"),
    [
        (lambda task: task.weekly().mondays().at("13:00"), "0 13 * * 1"),
        (lambda task: task.weekly().at("7:30"), "30 7 * * 0"),
        (lambda task: task.monthly().at("3:00"), "0 3 1 * *"),
        (lambda task: task.quarterly().at("3:00"), "0 3 1 1-12/3 *"),
        (lambda task: task.last_day_of_month("23:30"), "30 23 L * *"),
        (lambda task: task.mondays().yearly_on(7, "*", "09:01"), "1 9 * 7 1"),
        (lambda task: task.days(MONDAY, FRIDAY).at("9"), "0 9 * * 1,5"),
        (lambda task: task.weekly_on(SATURDAY).at("0:5"), "5 0 * * 6"),
        (lambda task: task.weekends().at("10:00"), "0 10 * * 6,0"),
        (lambda task: task.sundays(), f"* * * * {SUNDAY}"),
        (lambda task: task.every_three_minutes().weekdays(), "*/3 * * * 1-5"),
        (lambda task: task.twice_daily(), "0 1,13 * * *"),
    ],
)
def test_words_refine_what_they_leave_open(say: Callable[[Task], Task], cron: str) -> None:
    assert say(new_task()).cron == cron


@pytest.mark.parametrize(
    ("say", "words"),
    [
        (lambda task: task.daily().daily(), "daily is said twice"),
        (lambda task: task.daily_at("8:00").at("9:00"), "08:00 and 09:00 are two times"),
        (lambda task: task.hourly().at("9:00"), "hourly says itself when it is due"),
        (lambda task: task.at("9:00").weekly(), "the time 09:00 comes before weekly"),
        (lambda task: task.weekdays().mondays(), "named twice, 1-5 and 1"),
        (lambda task: task.mondays().weekly(), "the weekdays 1 come before weekly"),
        (lambda task: task.monthly().mondays(), "cron would run on either"),
        (lambda task: task.cron("0 9 * * 2").weekdays(), "in its fifth field, and others are 1-5: keep one"),
        (lambda task: task.cron("0 9 1 * *").weekdays(), "cron would run on either"),
        (lambda task: task.cron("0 9 * * *").at("10:00"), "cron says itself when it is due"),
        (lambda task: task.weekdays().cron("0 9 * * 2"), "in its fifth field, and others are 1-5: keep one"),
        (lambda task: task.daily().cron("@daily"), "two frequencies"),
        (lambda task: task.days(), "no weekday is named"),
        (lambda task: task.hourly_at([]), "hourly_at names nothing"),
        (lambda task: task.hourly_at(60), r"minute '60' .* expected 0-59"),
        (lambda task: task.monthly_on(0), r"day-of-month '0' .* expected 1-31"),
        (lambda task: task.yearly_on(13), r"month '13' .* expected 1-12"),
        (lambda task: task.days(8), r"day-of-week '8' .* expected 0-7"),
        (lambda task: task.yearly_on(2, 30), "never due: no month 2 has a day 30"),
        (lambda task: task.timezone("Asia/Damascsu"), "not an IANA time zone, such as Asia/Damascus"),
        (lambda task: task.timezone("../../etc/passwd"), "not an IANA time zone"),
    ],
)
def test_a_mistake_is_explained(say: Callable[[Task], Task], words: str) -> None:
    task = new_task()
    with pytest.raises(TimetableError, match=words):
        say(task)


@pytest.mark.parametrize("time", ["25:99", "24:00", "12:60", "-1:00", "9:0:0", "nine", "", "٠٩:٠٠", 9])
def test_a_time_out_of_range_is_refused_at_the_call(time: str) -> None:
    task = new_task()
    with pytest.raises(TimetableError, match=r"not a time of day.*'00:00' to '23:59'"):
        task.daily_at(time)
    assert task.daily_at("09:00").cron == "0 9 * * *"


def test_a_zone_may_be_named_before_or_after_the_frequency() -> None:
    at = datetime.fromisoformat("2026-11-22T22:00:00+00:00")
    assert new_task().timezone("Africa/Cairo").daily().is_due(at)
    assert new_task().daily().timezone("Africa/Cairo").is_due(at)
