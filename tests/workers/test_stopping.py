"""How a worker ends: by signal, by limit, in order."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import workshop
from fleet import TESTS, Looking, Process, wait_until, work_until_empty, worker

WORK = ("queue", "work", "--queue", "high,default,low")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_signal_lets_running_calls_finish_gives_the_rest_back_and_exits_0(
    looking: Looking, tmp_path: Path, number: int
) -> None:
    workshop.hold_and_wait.dispatch(call="running", folder=str(tmp_path))
    process = Process(*WORK, "--processes", "1")
    wait_until(lambda: list(tmp_path.glob("running.*.started")))
    workshop.nothing.dispatch_many([{"n": n} for n in range(30)])
    process.signal(number)
    wait_until(lambda: "stopping" in process.said())
    (tmp_path / "running.go").touch()
    assert process.wait() == 0, process.said()
    assert looking.rows("SELECT job FROM forecourt.done") == [("hold_and_wait",)]
    assert looking.rows("SELECT count(*), max(attempts) FROM forecourt.ready") == [(30, 0)]
    assert looking.count("workers") == 0


def test_after_the_shutdown_timeout_what_still_runs_is_killed_and_given_back_uncounted(
    looking: Looking, tmp_path: Path
) -> None:
    workshop.hold_and_wait.dispatch(call="one", folder=str(tmp_path))
    process = Process(*WORK, "--processes", "1", "--shutdown-timeout", "0.5")
    wait_until(lambda: list(tmp_path.glob("one.*.started")))
    process.signal(signal.SIGTERM)
    assert process.wait() == 0, process.said()
    [(attempts, incidents)] = looking.rows("SELECT attempts, history FROM forecourt.scheduled")
    assert attempts == 0
    assert incidents[0]["outcome"] == "Interrupted"
    assert looking.traces("one") == 0


def test_a_second_signal_kills_now(looking: Looking, tmp_path: Path) -> None:
    workshop.hold_and_wait.dispatch(call="one", folder=str(tmp_path))
    process = Process(*WORK, "--processes", "1", "--shutdown-timeout", "60")
    wait_until(lambda: list(tmp_path.glob("one.*.started")))
    process.signal(signal.SIGTERM)
    wait_until(lambda: "stopping" in process.said())
    process.signal(signal.SIGTERM)
    assert process.wait() == 0, process.said()
    assert looking.count("scheduled") == 1


def test_once_works_on_one_call(looking: Looking) -> None:
    workshop.nothing.dispatch_many([{"n": 1}, {"n": 2}])
    assert Process(*WORK, "--once").wait() == 0
    assert (looking.count("done"), looking.count("ready")) == (1, 1)


def test_once_with_empty_queues_ends_too(looking: Looking) -> None:
    assert Process(*WORK, "--once").wait() == 0


def test_a_slot_that_has_used_up_what_it_may_run_rests_until_it_may_run_more(looking: Looking) -> None:
    """It is allowed a sixty-fourth of them at a time. Going round in vain would be thousands of
    transactions.
    """
    workshop.nothing.dispatch_many([{"n": n} for n in range(150)])
    before = looking.one("SELECT sum(xact_commit) FROM pg_stat_database WHERE datname = current_database()")
    assert Process(*WORK, "--processes", "1", "--max-jobs", "120").wait() == 0
    assert looking.live() == 30
    after = looking.one("SELECT sum(xact_commit) FROM pg_stat_database WHERE datname = current_database()")
    assert after - before < 1000


def test_max_jobs_stops_after_so_many(looking: Looking) -> None:
    workshop.nothing.dispatch_many([{"n": n} for n in range(10)])
    assert Process(*WORK, "--max-jobs", "4").wait() == 0
    assert (looking.count("done"), looking.count("ready")) == (4, 6)


def test_max_time_stops_between_calls(looking: Looking) -> None:
    process = Process(*WORK, "--max-time", "1")
    assert process.wait() == 0
    assert "--max-time 1 reached" in process.said()


def test_a_slot_over_the_memory_limit_ends_the_worker_with_12(looking: Looking) -> None:
    process = Process(*WORK, "--memory", "1")
    assert process.wait() == 12, process.said()


def test_queues_are_served_strictly_in_the_order_listed(looking: Looking) -> None:
    for queue in ("low", "default", "high"):
        for n in range(3):
            workshop.leave_trace.using(queue=queue).dispatch(call=f"{queue} {n}")
    work_until_empty(processes=1)
    assert [row[0] for row in looking.rows("SELECT call FROM traces ORDER BY id")] == [
        f"{queue} {n}" for queue in ("high", "default", "low") for n in range(3)
    ]


def test_a_lower_priority_number_goes_first_within_a_queue(looking: Looking) -> None:
    for priority in (5, 0, -5):
        workshop.leave_trace.using(priority=priority).dispatch(call=str(priority))
    work_until_empty(processes=1)
    assert [row[0] for row in looking.rows("SELECT call FROM traces ORDER BY id")] == ["-5", "0", "5"]


def test_a_slow_call_never_sits_on_others(looking: Looking, tmp_path: Path) -> None:
    """Short calls are handed out in advance; those behind a call that turns out slow are taken back
    for the other slot.
    """
    workshop.nothing.dispatch_many([{"n": n} for n in range(300)])
    workshop.wait_for_go.dispatch(folder=str(tmp_path))
    workshop.nothing.dispatch_many([{"n": n} for n in range(300)])
    with worker(processes=2):
        wait_until(lambda: looking.one("SELECT count(*) FROM forecourt.done WHERE job = 'nothing'") == 600)
        assert looking.one("SELECT count(*) FROM forecourt.running WHERE job = 'wait_for_go'") == 1
        wait_until(lambda: looking.one("SELECT deadline - started_at = '60 seconds' FROM forecourt.running"))
        (tmp_path / "go").touch()
        wait_until(lambda: looking.live() == 0)
    assert looking.one("SELECT sum(late)::int FROM forecourt.minutes") == 0, "what was taken back was begun as well"


def test_an_idle_worker_is_woken_by_a_dispatch_not_by_its_poll(looking: Looking) -> None:
    with worker("--sleep", "30") as process:
        wait_until(lambda: "worker started" in process.said())
        workshop.leave_trace.dispatch(call="first")
        wait_until(lambda: looking.traces("first"))
        wait_until(
            lambda: looking.one("SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock'")
        )
        for n in range(5):
            looking.one("SELECT forecourt.dispatch('leave_trace', jsonb_build_object('call', %s::text))", f"later {n}")
            wait_until(lambda n=n: looking.traces(f"later {n}"), timeout=25)


def test_a_paused_queue_yields_nothing_and_goes_on_when_resumed(looking: Looking) -> None:
    """The queue that is listed first, so that its call would run before the other."""
    assert Process("queue", "pause", "high", "--why", "a test").wait() == 0
    workshop.leave_trace.using(queue="high").dispatch(call="waits")
    workshop.leave_trace.dispatch(call="goes")
    with worker(processes=1):
        wait_until(lambda: looking.traces("goes"))
        assert looking.traces("waits") == 0
        assert Process("queue", "resume", "high").wait() == 0
        wait_until(lambda: looking.traces("waits"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--processes", "0"], "--processes: expected 1 to 256"),
        (["--queue", "a,,b"], "--queue"),
        (["--queue", "a,a"], "names a queue twice"),
        (["--sleep", "0"], "--sleep"),
        (["--tries", "-1"], "tries"),
        (["--timeout", "-1"], "timeout"),
        (["--backoff", "x"], "--backoff"),
        (["--memory", "-1"], "--memory"),
    ],
)
def test_an_option_out_of_range_is_named_and_exits_2(looking: Looking, options: list[str], words: str) -> None:
    process = Process("queue", "work", *options)
    assert process.wait() == 2
    assert words in process.said()


def test_more_slots_than_open_files_allow_are_refused_in_a_sentence(looking: Looking) -> None:
    command = [sys.executable, "-m", "forecourt", "queue", "work", "--processes", "256"]
    refused = subprocess.run(
        ["sh", "-c", 'ulimit -n 512; exec "$@"', "sh", *command],
        env=os.environ | {"PYTHONPATH": str(TESTS), "FORECOURT_APP": "workshop:app"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert refused.returncode == 1
    assert "256 slots need 2176 open files, and the system allows 512: raise `ulimit -Hn`" in refused.stderr
    assert "Traceback" not in refused.stderr
