"""What is known of a task from its last runs, and for which tasks that is fetched."""

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
import pytest

from forecourt import Timetable, job
from forecourt.settings import settings
from forecourt.store import tick_history
from forecourt.web.night_drawing import night
from forecourt.web.nights import at_a_glance, beside_history, duties, span

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)
TODAY = span(NOW.date(), NOW, ZoneInfo("UTC"))

RAN = """
INSERT INTO forecourt.ticks (task, due_at, started_at, finished_at, status, output)
VALUES (%(task)s, %(due)s, %(due)s, %(due)s + make_interval(secs => %(seconds)s), %(status)s, '{"swept": 12}')
"""


@job(name="nights.duty")
def duty_job() -> None:
    """What the duties below are said to do."""


def ran(
    tx: psycopg.Connection, task: str, days_ago: int, seconds: float, status: str = "succeeded", minute: int = 0
) -> None:
    due = NOW.replace(hour=2, minute=minute) - timedelta(days=days_ago)
    tx.execute(RAN, {"task": task, "due": due, "seconds": seconds, "status": status})


def test_usual_is_the_middle_of_those_of_the_last_thirty_runs_that_succeeded(tx: psycopg.Connection) -> None:
    with tx.transaction():
        for ago in range(1, 41):
            status = "failed" if ago in (5, 15, 25) else "succeeded"
            ran(tx, "long known", ago, 4 + ago % 2 * 2 if ago <= 30 else 1000, status)
        ran(tx, "long known", 0, 3000)
        ran(tx, "twice only", 1, 4)
        ran(tx, "twice only", 2, 4)
        ran(tx, "mostly failed", 1, 4)
        for ago in (2, 3):
            ran(tx, "mostly failed", ago, 4, "failed")
    names = ["long known", "twice only", "mostly failed", "never ran"]
    # Fifteen took 4 s, fifteen 6 s, of which three failed.
    assert tick_history.usual_seconds(tx, names, before=TODAY.first) == {"long known": 4.0}
    assert tick_history.usual_seconds(tx, ["long known"], before=TODAY.first, most=2) == {}
    assert tick_history.usual_seconds(tx, ["long known"], before=TODAY.first, most=4) == {"long known": 5.0}


def test_a_duty_is_judged_without_its_history_and_told_beside_it(tx: psycopg.Connection) -> None:
    timetable = Timetable()
    for name, hour in (("slow", "02"), ("well", "02"), ("to come", "14")):
        timetable.add(duty_job, name=name).daily_at(f"{hour}:00")
    timetable.add(duty_job, name="pulse").every_minute()
    with tx.transaction():
        for name in ("slow", "well", "to come"):
            for ago in range(1, 5):
                ran(tx, name, ago, 4)
        ran(tx, "slow", 0, 60)
        ran(tx, "well", 0, 4)
        for minute in range(10):
            ran(tx, "pulse", 0, 1, "failed" if minute == 3 else "succeeded", minute)
    found = duties(tx, timetable, TODAY, NOW)
    stands = [(duty.task.name, duty.standing(NOW), duty.often) for duty in found]
    assert stands == [
        ("slow", "slow", False), ("well", "done", False), ("to come", "to come", False), ("pulse", "done", True)
    ]  # fmt: skip
    assert [(len(duty.runs), len(duty.past.runs)) for duty in found] == [(1, 0), (1, 0), (0, 0), (1, 0)]
    glance = [duty.task.name for duty in at_a_glance(found, NOW, 2)]
    assert glance == ["slow", "to come"], "what is not well, then what is next; pulses behind"
    told = {duty.task.name: duty for duty in beside_history(tx, found, TODAY)}
    assert told["to come"].expected == "12 swept"
    assert [run.status for run in told["pulse"].runs].count("failed") == 1
    assert len(told["pulse"].runs) == 10
    assert [run.due_at.day for run in told["slow"].past.runs] == [27, 28, 29, 30], "oldest first, without today's"


@pytest.mark.parametrize(
    ("day", "hours", "labels"),
    [
        (date(2030, 3, 31), 23, ["00:00", *(f"{hour:02}:00" for hour in range(3, 24, 2))]),
        (date(2030, 10, 27), 25, ["00:00", "02:00", *(f"{hour:02}:00" for hour in range(3, 24, 2))]),
    ],
)
def test_a_day_is_drawn_as_long_as_it_is_when_the_clocks_change(
    day: date, hours: int, labels: list[str], empty_var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORECOURT_TIMEZONE", "Europe/Berlin")
    settings.cache_clear()
    over = span(day, NOW, settings().zone)
    assert over.last - over.first == timedelta(hours=hours)
    assert re.findall(r">(\d\d:\d\d)<", night([], over, NOW)) == labels
    settings.cache_clear()
