"""Clocks that are doubled, killed, cut off and stopped: each due time comes once, and each call is
executed once.
"""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import sundial
import workshop
from fleet import TESTS, Looking, Process, wait_until, worker
from forecourt import Timetable
from forecourt.database import engine
from forecourt.schedule.clock import Clock

MINUTE = timedelta(minutes=1)
MIDNIGHT = datetime(2025, 11, 2, 5, tzinfo=UTC)
"""Midnight in Chicago, on the day that has 25 hours."""

DAY = 25 * 60
SEED = 20251102

CUT = """
SELECT count(pg_terminate_backend(pid))
FROM pg_stat_activity
WHERE application_name = 'forecourt'
  AND datname = current_database()
"""


class Dial:
    """A clock in a process of its own, which a line of input makes do the round of an instant."""

    def __init__(self) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "sundial"],
            env=os.environ | {"PYTHONPATH": str(TESTS)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, at: datetime) -> None:
        assert self.popen.stdin is not None
        self.popen.stdin.write(f"{at.isoformat()}\n")
        self.popen.stdin.flush()

    def hear(self) -> None:
        assert self.popen.stdout is not None
        assert self.popen.stdout.readline() == "done\n", "the clock ended by itself"

    def kill(self, looking: Looking) -> None:
        """kill -9; a minute later, if not at once, PostgreSQL has noticed."""
        self.popen.kill()
        self.close()
        name = f"sundial {self.popen.pid}"
        wait_until(lambda: not looking.rows("SELECT 1 FROM pg_stat_activity WHERE application_name = %s", name))

    def close(self) -> None:
        self.popen.communicate(timeout=20)


@pytest.fixture
def dials(looking: Looking) -> Iterator[list[Dial]]:
    """Two clocks."""
    both = [Dial(), Dial()]
    yield both
    for dial in both:
        dial.close()


def test_two_clocks_and_two_workers_through_a_day_with_kills_do_everything_exactly_once(
    looking: Looking, dials: list[Dial]
) -> None:
    chance = random.Random(SEED)
    killings = sorted(chance.sample(range(60, DAY, 60), 5))  # full hours, when all of them have something to do
    with worker(app="sundial:app", processes=1):
        doomed = Process("queue", "work", "--sleep", "0.2", "--processes", "1", app="sundial:app")
        for minute in range(DAY + 1):
            at = MIDNIGHT + minute * MINUTE
            for dial in dials:
                dial.ask(at)
            if minute in killings:
                victim = chance.randrange(2)
                time.sleep(chance.uniform(0, 0.01))
                dials[victim].kill(looking)
                dials[1 - victim].hear()
                dials[victim] = Dial()
            else:
                for dial in dials:
                    dial.hear()
            if minute == DAY // 2:
                wait_until(lambda: looking.count("done") > 10)
                doomed.kill()
        wait_until(lambda: looking.live() == 0)
    expected = {
        (task.name, due_at)
        for task in sundial.timetable
        for due_at in task.occurrences(MIDNIGHT, MIDNIGHT + DAY * MINUTE)
    }
    rows = looking.rows("SELECT task, due_at, status FROM forecourt.ticks")
    assert {(task, due_at.astimezone(UTC)) for task, due_at, _ in rows} == expected
    assert len(rows) == len(expected) == 300 + 25 + 1 + 1 + 1
    assert {status for _, _, status in rows} == {"succeeded"}
    struck = looking.rows("SELECT call, count(*) FROM traces GROUP BY call")
    assert dict(struck) == {f"{task} {due_at.isoformat()}": 1 for task, due_at in expected}
    assert (looking.count("done"), looking.count("failed")) == (len(expected), 0)


def test_clocks_survive_a_cut_connection_and_end_in_order_at_any_signal(looking: Looking) -> None:
    """Three at once, so that each second is also theirs to share."""
    clocks = {
        number: Process("schedule", "work", app="sundial:hand")
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
    }
    for clock in clocks.values():
        wait_until(lambda clock=clock: "clock started" in clock.said())  # type: ignore[misc]
    wait_until(lambda: looking.count("ticks") >= 2)
    # Again and again, so that a round is hit in the middle too, and not only connections that rest.
    wait_until(lambda: looking.one(CUT) and any("round failed" in clock.said() for clock in clocks.values()))
    before = looking.count("ticks")
    wait_until(lambda: looking.count("ticks") >= before + 3)
    assert all(clock.popen.poll() is None for clock in clocks.values())
    begun = time.monotonic()
    for number, clock in clocks.items():
        clock.signal(number)
    for clock in clocks.values():
        assert clock.wait() == 0, clock.said()
        assert "clock stopped" in clock.said()
    assert time.monotonic() - begun < 5
    rows = looking.rows(
        "SELECT count(*), count(DISTINCT due_at), count(DISTINCT call_id) FROM forecourt.ticks WHERE status = 'enqueued'"
    )
    [(ticks, dues, calls)] = rows
    assert ticks == dues == calls == looking.count("ready")


def test_a_hold_ends_with_its_call_by_success_by_failure_and_by_rescue(looking: Looking, tmp_path: Path) -> None:
    timetable = Timetable("UTC")
    timetable.add(workshop.leave_trace, name="succeeds", call="one").every_minute()
    timetable.add(workshop.fail_at_once, name="fails", call="two").every_minute()
    timetable.add(workshop.hold_and_wait, name="lasts", call="three", folder=str(tmp_path)).every_minute()
    clock = Clock(timetable, engine(), environment="test")
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    clock.begin(noon - MINUTE)
    clock.run_once(noon)
    first = Process("queue", "work", "--queue", "default", "--processes", "3")
    wait_until(lambda: looking.live() == 1 and list(tmp_path.glob("three.*.started")))
    clock.run_once(noon + MINUTE)
    assert by_task(looking, noon + MINUTE) == {"succeeds": "enqueued", "fails": "enqueued", "lasts": "skipped"}
    [why] = looking.rows("SELECT why FROM forecourt.ticks WHERE status = 'skipped'")[0]
    assert f"the run of 2026-11-23 12:00:00 UTC runs on {socket.gethostname()}, process {first.pid}: call" in why
    first.kill()
    clock.run_once(noon + 2 * MINUTE)
    assert by_task(looking, noon + 2 * MINUTE)["lasts"] == "skipped", "nobody has rescued the call yet"
    with worker():
        (tmp_path / "three.go").touch()
        wait_until(lambda: looking.live() == 0)
    clock.run_once(noon + 3 * MINUTE)
    assert by_task(looking, noon)["lasts"] == "succeeded"
    assert by_task(looking, noon + 3 * MINUTE)["lasts"] == "enqueued"


def by_task(looking: Looking, due_at: datetime) -> dict[str, str]:
    """The status of each task's tick of one due time."""
    return dict(looking.rows("SELECT task, status FROM forecourt.ticks WHERE due_at = %s", due_at))
