"""Why a task runs or does not: each thing that the clock looks at is named, and says what it
forbids.
"""

from datetime import UTC, datetime, timedelta

import pytest
from rounds import MINUTE, NOON, begun
from timetables import new_task

import workshop
from fleet import Looking, claim
from forecourt import Timetable
from forecourt.schedule.explanation import Explanation, at_instant, upcoming
from forecourt.schedule.shifts import shift_near
from forecourt.schedule.task import Task
from forecourt.store import pauses

HOUR = timedelta(hours=1)


def by_subject(one: Explanation) -> dict[str, tuple[bool | None, str]]:
    return {finding.about: (finding.allows, finding.words) for finding in one.findings}


@pytest.mark.parametrize(
    ("zone", "cron", "at", "words"),
    [
        ("UTC", "0 3 * * *", "2026-11-24T03:00Z", "UTC, UTC+00:00; its clock does not change within a day"),
        (
            "America/Chicago",
            "30 2 * * *",
            "2025-03-09T03:00-05:00",
            "America/Chicago, UTC-05:00; 02:00 to 03:00 does not exist on 2025-03-09; due at the end of the gap",
        ),
        (
            "America/Chicago",
            "30 1 * * *",
            "2025-11-02T01:30-05:00",
            "America/Chicago, UTC-05:00; 01:00 to 02:00 comes twice on 2025-11-02; due the first time",
        ),
        (
            "Africa/Cairo",
            "*/30 * * * *",
            "2026-04-24T01:00+03:00",
            "Africa/Cairo, UTC+03:00; 00:00 to 01:00 does not exist on 2026-04-24; intervals go by elapsed time",
        ),
    ],
)
def test_a_shift_of_the_zone_s_clock_is_told_with_what_it_means(zone: str, cron: str, at: str, words: str) -> None:
    assert shift_near(new_task(zone).cron(cron), datetime.fromisoformat(at)) == words


def test_what_is_to_come_names_everything_that_the_clock_will_look_at(looking: Looking) -> None:
    timetable = Timetable("UTC")
    task = timetable.add(workshop.nothing).hourly().between("8:00", "20:00").environments("production", "test")
    task.when(lambda: False).deadline(HOUR / 2)
    free = timetable.add(workshop.nothing, name="free").hourly()
    begun(timetable).run_once(NOON + HOUR)
    tx = looking.connection
    now = NOON + HOUR + MINUTE

    def told(task: Task, environment: str = "test", *, ask: bool = True) -> Explanation:
        [one] = upcoming(tx, task, now, environment=environment, ask=ask, count=1)
        return one

    one = told(task)
    assert one.at == NOON + 2 * HOUR
    found = by_subject(one)
    assert list(found) == ["zone", "environment", "pause", "condition", "overlap", "queue", "late run", "deadline"]
    assert found["environment"] == (True, "only production, test; this is test")
    assert found["condition"][0] is False
    assert found["overlap"] == (True, "no run is under way")
    assert found["queue"] == (False, "default: no worker serves it, so its call would wait")
    assert found["late run"] == (None, "until Mon 2026-11-23 14:30 UTC, should no clock run when it is due")
    assert found["deadline"] == (None, "Mon 2026-11-23 14:30 UTC, 30 min on")
    claim(tx, limit=0)
    assert by_subject(told(task))["queue"] == (True, "default: served")
    tx.execute("UPDATE forecourt.workers SET beat_at = now() - interval '1 minute'")
    assert by_subject(told(task))["queue"] == found["queue"], "a worker that is gone serves nobody"
    assert one.verdict == "will be skipped if its condition still says so then"
    assert by_subject(told(task, ask=False))["condition"][1].endswith("asked when it is due")
    assert told(task, "staging").verdict == "does not exist here"

    one = told(free)
    assert one.verdict == "will be skipped unless the run before it ends first"
    assert "waits for a worker: call" in by_subject(one)["overlap"][1]
    pauses.pause(tx, "task", "free", until=None, who="anna", why="stocktaking")
    one = told(free)
    assert one.verdict == "will be skipped: pause"
    assert by_subject(one)["pause"][1].endswith("stocktaking")


def test_an_instant_is_due_or_says_why_not_and_the_past_says_what_became_of_it(looking: Looking) -> None:
    timetable = Timetable("UTC")
    task = timetable.add(workshop.nothing).every_ten_minutes().between("8:00", "13:00").when(bool)
    begun(timetable).run_once(NOON + 10 * MINUTE)
    tx, now = looking.connection, NOON + 11 * MINUTE

    def told(at: datetime) -> list[Explanation]:
        return at_instant(tx, task, at, now, environment="test", ask=True)

    [past] = told(NOON + 10 * MINUTE + timedelta(seconds=30))
    assert (past.at, past.verdict) == (NOON + 10 * MINUTE, "skipped: when(bool) was false")
    [unknown] = told(NOON - 10 * MINUTE)
    assert unknown.verdict.startswith("no clock has recorded it")
    [still] = at_instant(tx, task, NOON + 20 * MINUTE, NOON + 24 * MINUTE, environment="test", ask=True)
    assert still.verdict.startswith("no clock has met it yet")
    asked = NOON + 14 * MINUTE + timedelta(milliseconds=7)
    looking.connection.execute(
        "INSERT INTO forecourt.ticks (task, due_at, status, call_id) VALUES (%s, %s, 'enqueued', 12)",
        (task.name, asked),
    )
    by_hand, _ = told(asked)
    assert by_subject(by_hand)["by hand"] == (None, "enqueued, call 12")
    between, coming = told(NOON + 13 * MINUTE)
    assert (between.is_due, between.verdict, coming.at) == (False, "is not due", NOON + 20 * MINUTE)
    assert list(by_subject(between)) == ["zone", "frequency"]
    outside, _ = told(datetime(2026, 11, 23, 15, 0, tzinfo=UTC))
    assert by_subject(outside)["window"] == (False, "only between 08:00 and 13:00")


def test_a_window_is_not_blamed_for_what_the_shift_policy_leaves_out(looking: Looking) -> None:
    timetable = Timetable("America/Chicago")
    task = timetable.add(workshop.nothing).hourly().shift_policy("wall").between("0:00", "12:00")
    again = datetime.fromisoformat("2025-11-02T01:00-06:00")
    not_due, _ = at_instant(looking.connection, task, again, again, environment="test", ask=False)
    assert list(by_subject(not_due)) == ["zone", "frequency"]
