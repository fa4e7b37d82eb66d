"""The end of a worker and a clock when it comes at a bad moment: in C code, in a batch, with the
database gone.
"""

import signal
import time
from pathlib import Path

import workshop
from faults import mischief
from faults.site import site
from fleet import Looking, Process, running, wait_until


def test_a_long_c_call_is_killed_and_given_back_and_a_batch_may_finish(looking: Looking, tmp_path: Path) -> None:
    mischief.compute_in_c.dispatch(folder=str(tmp_path))
    process = Process(
        "queue", "work", "--processes", "2", "--shutdown-timeout", "2", "--sleep", "0.2", app="faults.mischief:app"
    )
    wait_until((tmp_path / "computing").exists)
    mischief.wait_together.dispatch_many([{"n": n, "folder": str(tmp_path)} for n in range(30)])  # to the other slot
    wait_until((tmp_path / "together").exists)
    process.signal(signal.SIGTERM)
    wait_until(lambda: "stopping" in process.said())
    (tmp_path / "go").touch()
    assert process.wait(15) == 0, process.said()
    assert looking.rows("SELECT job, count(*), max(attempts) FROM forecourt.done GROUP BY job") == [
        ("wait_together", 30, 1)
    ]
    assert looking.rows("SELECT count(*), count(DISTINCT call) FROM traces") == [(30, 30)]
    [(job, attempts, [incident])] = looking.rows("SELECT job, attempts, history FROM forecourt.scheduled")
    assert (job, attempts, incident["outcome"]) == ("compute_in_c", 0, "Interrupted")
    assert looking.count("workers") == 0


def test_with_the_database_gone_the_idle_end_with_0_and_the_busy_with_1_and_nothing_is_lost(
    empty_var: Path, tmp_path: Path
) -> None:
    with site(tmp_path / "site") as ground:
        looking = Looking(ground.url)
        looking.connection.execute(workshop.TRACES.encode())
        environment = {"FORECOURT_DATABASE_URL": ground.url}
        work = ("queue", "work", "--processes", "1", "--shutdown-timeout", "1")
        clock = Process("schedule", "work", **environment)
        idle = Process(*work, "--queue", "high", **environment)
        busy = Process(*work, "--queue", "default", **environment)
        workshop.hold_and_wait.using(session=looking.connection).dispatch(call="one", folder=str(tmp_path))
        workshop.nap.using(session=looking.connection).dispatch(call="two", seconds=0)
        wait_until(lambda: list(tmp_path.glob("one.*.started")))
        wait_until(lambda: "worker started" in idle.said() and "clock started" in clock.said())
        looking.connection.close()
        ground.crash()
        begun = time.monotonic()
        for process in (clock, idle, busy):
            process.signal(signal.SIGTERM)
        assert clock.wait() == 0, clock.said()
        assert idle.wait() == 0, idle.said()
        assert time.monotonic() - begun < 8, "neither had anything to wait for"
        assert busy.wait() == 1, busy.said()
        assert "outcomes not written, those calls run again" in busy.said()
        ground.start()
        (tmp_path / "one.go").touch()
        looking = Looking(ground.url)
        with running(*work, **environment):
            wait_until(lambda: looking.count("done") == 2)
        assert looking.rows("SELECT call, count(*) FROM traces GROUP BY call ORDER BY call") == [("one", 1), ("two", 1)]
        assert looking.count("workers") == 0, "those that could not sign off were noticed"
        looking.connection.close()
