"""A job with threads: a slot runs several of its calls at once, and each is still a call of its
own.
"""

from pathlib import Path

import pytest

import workshop
from fleet import Looking, wait_until, work_until_empty, worker
from forecourt import job

FOUR = ("north", "east", "south", "west")


def test_one_slot_runs_as_many_calls_at_once_as_the_job_has_threads(looking: Looking, tmp_path: Path) -> None:
    """Each waits until all four have begun, so one after the other they would never end."""
    workshop.meet.dispatch_many([{"call": call, "folder": str(tmp_path)} for call in FOUR])
    assert work_until_empty(processes=1).wait() == 0
    assert looking.count("done") == 4
    told = looking.rows("SELECT args ->> 'call', history -> 0 ->> 'log' FROM forecourt.done")
    assert all(f"here is {call}" in log and log.count("here is") == 1 for call, log in told), "each has its own lines"


def test_calls_of_other_jobs_run_before_and_after_but_not_beside_them(looking: Looking, tmp_path: Path) -> None:
    workshop.leave_trace.dispatch(call="before")
    workshop.meet.dispatch_many([{"call": call, "folder": str(tmp_path)} for call in FOUR])
    workshop.leave_trace.dispatch(call="after")
    assert work_until_empty(processes=1).wait() == 0
    assert looking.count("done") == 6
    order = [call for (call,) in looking.rows("SELECT call FROM traces ORDER BY id")]
    assert (order[0], order[-1], len(order)) == ("before", "after", 6)


def test_effects_in_the_database_are_still_exactly_once(looking: Looking) -> None:
    workshop.transact_beside_others.dispatch_many([{"call": f"call {n}"} for n in range(40)])
    assert work_until_empty(processes=2).wait() == 0
    assert (looking.count("done"), looking.traces()) == (40, 40)


def test_when_a_slot_dies_each_of_its_calls_runs_alone_until_the_guilty_one_shows(
    looking: Looking, tmp_path: Path
) -> None:
    calls = ("killer", *FOUR[:3])
    workshop.meet_a_killer.dispatch_many([{"call": call, "folder": str(tmp_path)} for call in calls])
    with worker(processes=1) as process:
        wait_until(lambda: "slot died" in process.said())
        (tmp_path / "go").touch()
        wait_until(lambda: looking.live() == 0)
    assert looking.rows("SELECT args ->> 'call', error, attempts FROM forecourt.failed") == [("killer", "SlotDied", 2)]
    assert looking.rows("SELECT DISTINCT attempts FROM forecourt.done") == [(1,)], "the others lost no try"


def test_a_timeout_costs_the_calls_beside_it_no_try(looking: Looking, tmp_path: Path) -> None:
    calls = ("sleeper", *FOUR[:3])
    workshop.meet_a_sleeper.dispatch_many([{"call": call, "folder": str(tmp_path)} for call in calls])
    with worker(processes=1):
        wait_until(lambda: looking.live() == 0)
    assert looking.rows("SELECT args ->> 'call', error FROM forecourt.failed") == [("sleeper", "TimedOut")]
    assert looking.rows("SELECT count(*), max(attempts) FROM forecourt.done") == [(3, 1)]


def test_threads_must_make_sense() -> None:
    with pytest.raises(ValueError, match="threads: expected a whole number from 1 to 100, not 0"):
        job(threads=0)(lambda: None)
    with pytest.raises(ValueError, match="leave out threads="):
        job(threads=2, batch=10)(lambda: None)
