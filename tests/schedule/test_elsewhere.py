"""Whoever types a word of the reference framework's scheduler out of habit is answered with
ours.
"""

import re

import pytest
from timetables import new_task

from forecourt import Timetable

# Every public word of its events, in its spelling.
WORDS = re.findall(
    r"\w+",
    """
    cron everyMinute everyTwoMinutes everyThreeMinutes everyFourMinutes everyFiveMinutes everyTenMinutes everyFifteenMinutes
    everyThirtyMinutes everySecond everyTwoSeconds everyFiveSeconds everyTenSeconds everyFifteenSeconds everyTwentySeconds
    everyThirtySeconds hourly hourlyAt everyOddHour everyTwoHours everyThreeHours everyFourHours everySixHours daily dailyAt at
    twiceDaily twiceDailyAt weekdays weekends mondays tuesdays wednesdays thursdays fridays saturdays sundays days weekly weeklyOn
    monthly monthlyOn twiceMonthly lastDayOfMonth daysOfMonth quarterly quarterlyOn yearly yearlyOn timezone between unlessBetween
    when skip environments evenInMaintenanceMode evenWhenPaused withoutOverlapping onOneServer runInBackground user name
    description before after then onSuccess onFailure thenWithOutput onSuccessWithOutput onFailureWithOutput pingBefore
    pingBeforeIf thenPing thenPingIf pingOnSuccess pingOnSuccessIf pingOnFailure pingOnFailureIf sendOutputTo appendOutputTo
    storeOutput emailOutputTo emailWrittenOutputTo emailOutputOnFailure createMutexNameUsing preventOverlapsUsing withAttributes
    """,
)


@pytest.mark.parametrize("word", WORDS)
def test_each_word_is_ours_or_is_answered(word: str) -> None:
    ours = re.sub(r"(?<!^)(?=[A-Z])", "_", word).lower()
    task = new_task()
    if hasattr(type(task), word) or word in vars(task):
        return
    with pytest.raises(AttributeError, match=f"has no word {word!r}") as refused:
        getattr(task, word)
    words = str(refused.value)
    if hasattr(type(task), ours):
        assert words.endswith(f"; there is {ours}")
    else:
        assert ": " in words, words
        assert all(name in dir(task) for name in re.findall(r"\b([a-z_]+)\(", words) if name not in ("lambda", "print"))


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("command", "it runs jobs: put @job on the function, and timetable.add(function)"),
        ("dailyAt", "say it of a task, add(job).daily_at(...), or of a group"),
        ("every", "every_ten_minutes() and its like"),
    ],
)
def test_so_is_one_that_is_said_of_the_timetable(word: str, answer: str) -> None:
    with pytest.raises(AttributeError, match=re.escape(answer)):
        getattr(Timetable(), word)
