"""Limits hold across the fleet, cost a call nothing, and never stay stuck."""

import os
import signal
from pathlib import Path

import pytest

import workshop
from fleet import Looking, Process, wait_until, worker
from forecourt import at_most, job, per


def most_at_once(looking: Looking, key: int) -> int:
    most = busy = 0
    for (call,) in looking.rows("SELECT call FROM traces WHERE call LIKE %s ORDER BY id", f"% {key} %"):
        busy += 1 if call.startswith("begin") else -1
        most = max(most, busy)
    return most


def test_no_more_than_so_many_run_at_once_for_each_key_on_all_workers(looking: Looking) -> None:
    workshop.two_at_once.dispatch_many([{"key": n % 2, "call": f"{n}"} for n in range(24)])
    with worker(processes=3), worker(processes=3):
        wait_until(lambda: looking.live() == 0)
    assert looking.traces("end%") == 24
    assert (most_at_once(looking, 0), most_at_once(looking, 1)) == (2, 2)
    assert looking.rows("SELECT max(attempts), max(jsonb_array_length(history)) FROM forecourt.done") == [(1, 0)]


def test_a_place_is_free_again_after_its_slot_was_killed(looking: Looking, tmp_path: Path) -> None:
    workshop.limited_both_ways.dispatch_many([{"call": f"call {n}", "folder": str(tmp_path)} for n in range(2)])
    with worker(processes=2):
        wait_until(lambda: looking.traces("call%"))
        os.kill(looking.one("SELECT pid FROM traces"), signal.SIGKILL)
        (tmp_path / "go").touch()
        wait_until(lambda: looking.live() == 0, timeout=40)
    assert looking.count("done") == 2


def test_no_more_than_so_many_begin_in_a_window(looking: Looking) -> None:
    workshop.three_in_three_seconds.dispatch_many([{"call": f"call {n}"} for n in range(7)])
    with worker(processes=2):
        wait_until(lambda: looking.live() == 0)
    seconds = [
        row[0]
        for row in looking.rows(
            "SELECT extract(epoch FROM at - (SELECT min(at) FROM traces))::float8 FROM traces ORDER BY at"
        )
    ]
    assert len(seconds) == 7
    assert seconds[2] < 2.5
    assert seconds[3] > 2.5, seconds
    assert seconds[6] > 5.5, seconds


def test_a_call_that_the_limit_stops_burns_nothing_of_the_rate(looking: Looking, tmp_path: Path) -> None:
    workshop.limited_both_ways.dispatch_many([{"call": f"call {n}", "folder": str(tmp_path)} for n in range(4)])
    with worker(processes=3):
        wait_until(lambda: looking.traces("call%") == 1)
        wait_until(lambda: looking.count("scheduled") == 3)
        assert looking.one("SELECT used FROM forecourt.rates") == 1
        (tmp_path / "go").touch()
        wait_until(lambda: looking.live() == 0)
    assert looking.one("SELECT used FROM forecourt.rates") == 4


def test_waiting_for_a_limit_is_visible_and_can_be_cancelled(looking: Looking, tmp_path: Path) -> None:
    workshop.limited_both_ways.dispatch_many([{"call": f"call {n}", "folder": str(tmp_path)} for n in range(2)])
    with worker(processes=2):
        wait_until(lambda: looking.count("scheduled") == 1)
        waiting = looking.one("SELECT id FROM forecourt.scheduled")
        assert looking.one("SELECT limit_key FROM forecourt.scheduled").startswith("limited_both_ways limit")
        assert Process("queue", "cancel", str(waiting)).wait() == 0
        (tmp_path / "go").touch()
        wait_until(lambda: looking.live() == 0)
    assert looking.traces("call%") == 1


def test_limits_out_of_range_are_errors_at_decoration() -> None:
    for wrong in (lambda: at_most(0), lambda: per(60, 0), lambda: per(0, 5), lambda: per(-1, 5)):
        with pytest.raises(ValueError, match=r"limit|rate"):
            wrong()
    with pytest.raises(ValueError, match="limit= names colour, which it does not take"):
        job(name="limited.wrong", limit=at_most(1, by="colour"))(lambda: None)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="batch"):
        job(name="limited.batch", batch=5, limit=1)(lambda: None)  # type: ignore[call-overload]
