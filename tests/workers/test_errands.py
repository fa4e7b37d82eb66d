"""What operators ask of running workers: to end a call, to restart, to say how far they are; and
what attempts leave behind.
"""

from pathlib import Path

import workshop
from fleet import Looking, Process, wait_until, work_until_empty, worker
from forecourt.process import hostname


def test_waiting_and_running_calls_are_cancelled(looking: Looking, tmp_path: Path) -> None:
    running = workshop.hold_and_wait.dispatch(call="runs", folder=str(tmp_path))
    later = workshop.nothing.using(delay=600).dispatch(n=1)
    with worker(processes=1):
        wait_until(lambda: list(tmp_path.glob("runs.*.started")))
        waits = workshop.nothing.dispatch(n=2)
        cancel = Process("queue", "cancel", str(running.id), str(later.id), str(waits.id))
        assert cancel.wait() == 0, cancel.said()
        wait_until(lambda: looking.count("done") == 3)
    assert looking.rows("SELECT outcome, count(*) FROM forecourt.done GROUP BY outcome") == [("cancelled", 3)]
    assert looking.traces("runs") == 0, "what the killed slot had written was rolled back"
    assert looking.live() == 0
    again = Process("queue", "cancel", str(running.id))
    assert (again.wait(), "nothing was cancelled" in again.said()) == (5, True)


def test_restart_ends_every_worker_in_order_with_0(looking: Looking, tmp_path: Path) -> None:
    workshop.hold_and_wait.dispatch(call="runs", folder=str(tmp_path))
    process = Process("queue", "work", "--queue", "default", "--processes", "1")
    wait_until(lambda: list(tmp_path.glob("runs.*.started")))
    assert Process("queue", "restart").wait() == 0
    wait_until(lambda: "a restart was asked for" in process.said())
    (tmp_path / "runs.go").touch()
    assert process.wait() == 0
    assert looking.count("done") == 1
    work_until_empty()  # a worker that starts afterwards is not meant


def test_a_running_call_says_how_far_it_is(looking: Looking, tmp_path: Path) -> None:
    call = workshop.go_far.dispatch(folder=str(tmp_path))
    with worker(processes=1):
        wait_until(lambda: (tmp_path / "step.1").exists())
        wait_until(lambda: looking.rows("SELECT done, total, words FROM forecourt.progress") == [(1, 3, "step 1")])
        show = Process("queue", "show", str(call.id))
        assert show.wait() == 0
        assert "progress  1 of 3 (33%) step 1" in show.said()
        for step in (1, 2, 3):
            (tmp_path / f"go.{step}").touch()
        wait_until(lambda: looking.count("done"))
        wait_until(lambda: looking.count("progress") == 0)


def test_what_a_call_logged_is_kept_with_its_attempt(looking: Looking) -> None:
    workshop.log_and_fail.dispatch(call="one")
    workshop.log_and_finish.dispatch(call="two")
    workshop.nothing.dispatch(n=1)
    work_until_empty()
    [incident] = looking.one("SELECT history FROM forecourt.failed")
    assert [line.partition(" ")[2] for line in incident["log"]] == [
        "INFO workshop: beginning one",
        "WARNING workshop: this will not end well",
    ]
    [success] = looking.one("SELECT history FROM forecourt.done WHERE job = 'log_and_finish'")
    assert success["log"][0].endswith("all is well with two")
    assert (incident["host"], success["host"], incident["pid"] > 0) == (hostname(), hostname(), True)
    assert looking.one("SELECT history FROM forecourt.done WHERE job = 'nothing'") == []


def test_retry_until_replaces_tries(looking: Looking) -> None:
    with worker() as process:
        wait_until(lambda: "worker started" in process.said())
        workshop.retry_for_a_second.dispatch(call="one")
        wait_until(lambda: looking.count("failed"))
    [(attempts, incidents)] = looking.rows("SELECT attempts, history FROM forecourt.failed")
    assert 2 <= attempts <= 7
    assert [incident["error"] for incident in incidents if incident["outcome"] == "Raised"] == ["ValueError"] * attempts


def test_a_call_that_was_not_begun_in_time_fails_without_an_attempt(looking: Looking) -> None:
    workshop.retry_for_a_second.dispatch(call="one")
    looking.connection.execute("UPDATE forecourt.ready SET created_at = now() - interval '1 minute'")
    work_until_empty()
    assert looking.rows("SELECT error, attempts FROM forecourt.failed") == [("Expired", 0)]
    assert looking.traces("one") == 0


def test_max_errors_counts_exceptions_only(looking: Looking) -> None:
    workshop.two_errors.dispatch(call="one")
    with worker():
        wait_until(lambda: looking.count("failed"))
    assert looking.rows("SELECT attempts FROM forecourt.failed") == [(2,)]


def test_monitor_exits_3_over_its_limit(looking: Looking) -> None:
    workshop.nothing.dispatch_many([{"n": n} for n in range(5)])
    assert Process("queue", "monitor", "--max", "4").wait() == 3
    assert Process("queue", "monitor", "--max", "5").wait() == 0
    assert Process("queue", "monitor", "default", "--max", "5", "--max-age", "0").wait() == 3
    assert Process("queue", "monitor", "high", "--max", "0").wait() == 0


def test_prune_removes_old_failures_without_asking(looking: Looking) -> None:
    workshop.fail_at_once.dispatch_many([{"call": "old"}, {"call": "new"}])
    work_until_empty()
    looking.connection.execute(
        "UPDATE forecourt.failed SET failed_at = now() - interval '25 hours' WHERE args->>'call' = 'old'"
    )
    assert Process("queue", "prune").wait() == 0
    assert looking.rows("SELECT args->>'call' FROM forecourt.failed") == [("new",)]
