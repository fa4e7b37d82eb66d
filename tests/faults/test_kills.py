"""kill -9, frozen workers, lost connections: nothing is lost, and what a session did is never
doubled.
"""

import os
import signal
import threading
import time
from pathlib import Path

import psycopg

import workshop
from fleet import Looking, Process, wait_until, worker

GO = "go"


def started(folder: Path, call: str) -> list[int]:
    """The processes that have begun this call."""
    return [int(path.suffixes[0][1:]) for path in folder.glob(f"{call}.*.started")]


def test_a_slot_killed_in_a_transactional_job_leaves_its_effect_exactly_once(looking: Looking, tmp_path: Path) -> None:
    workshop.hold_and_wait.dispatch(call="one", folder=str(tmp_path))
    with worker():
        [first] = wait_until(lambda: started(tmp_path, "one"))
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: len(started(tmp_path, "one")) == 2)
        assert looking.traces("one") == 0, "what the killed slot had written was rolled back"
        (tmp_path / "one.go").touch()
        wait_until(lambda: looking.count("done"))
    assert looking.traces("one") == 1
    [(attempts, incidents)] = looking.rows("SELECT attempts, history FROM forecourt.done")
    assert attempts == 2, "the crash counts as an attempt"
    assert [(i["attempt"], i["error"]) for i in incidents] == [(1, "SlotDied")]


def test_a_whole_worker_killed_in_the_middle_of_ten_jobs_loses_and_doubles_none(looking: Looking) -> None:
    for n in range(10):
        workshop.transact.dispatch(call=f"call {n}", seconds=0.4)
    first = Process("queue", "work", "--queue", "default", "--processes", "4")
    wait_until(lambda: looking.count("done") >= 2)
    wait_until(lambda: looking.count("running"))
    first.kill()
    before = time.monotonic()
    with worker(processes=4):
        wait_until(lambda: looking.live() == 0)
    assert time.monotonic() - before < 20
    assert looking.rows("SELECT call, count(*) FROM traces GROUP BY call ORDER BY call") == [
        (f"call {n}", 1) for n in range(10)
    ]
    assert looking.count("done") == 10
    assert looking.count("workers") == 0, "the killed worker is gone, the other signed off"


def test_calls_that_a_killed_worker_had_only_claimed_lose_no_try(looking: Looking, tmp_path: Path) -> None:
    """tries=1: a call that was executing fails as WorkerLost, one that was only claimed runs as if
    nothing had happened.
    """
    workshop.hold_and_wait.dispatch(call="running", folder=str(tmp_path))
    first = Process("queue", "work", "--queue", "default", "--processes", "1", "--tries", "1")
    [slot] = wait_until(lambda: started(tmp_path, "running"))
    with looking.connection.transaction():
        # As if claimed in the same moment: the row is in running, the slot has not begun it.
        looking.connection.execute(
            "INSERT INTO forecourt.running (job, queue, args, token, worker) SELECT 'transact', 'default',"
            """ '{"call": "claimed"}', nextval('forecourt.run_tokens'), id FROM forecourt.workers"""
        )
    first.kill()
    wait_until(lambda: not Path(f"/proc/{slot}").exists(), what="the slot's end")
    (tmp_path / "running.go").touch()
    with worker():
        wait_until(lambda: looking.live() == 0)
    attempts = dict(looking.rows("SELECT args->>'call', attempts FROM forecourt.done"))
    assert attempts == {"running": 2, "claimed": 1}


def test_slots_never_outlive_their_supervisor(looking: Looking, tmp_path: Path) -> None:
    for n in range(3):
        workshop.hold_and_wait.dispatch(call=f"{n}", folder=str(tmp_path))
    process = Process("queue", "work", "--queue", "default", "--processes", "3")
    wait_until(lambda: len(list(tmp_path.glob("*.started"))) == 3)
    slots = [pid for n in range(3) for pid in started(tmp_path, f"{n}")]
    process.kill()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in slots), timeout=5)


def test_the_fork_server_killed_is_replaced_and_its_calls_run_again(looking: Looking, tmp_path: Path) -> None:
    workshop.hold_and_wait.dispatch(call="one", folder=str(tmp_path))
    with worker(processes=1):
        [slot] = wait_until(lambda: started(tmp_path, "one"))
        fork_server = int(Path(f"/proc/{slot}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(fork_server, signal.SIGKILL)
        (tmp_path / "one.go").touch()
        wait_until(lambda: looking.count("done"))
    assert looking.traces("one") == 1


def test_a_frozen_worker_that_wakes_up_late_changes_nothing(looking: Looking, tmp_path: Path) -> None:
    """SIGSTOP past the grace: others take its calls; after SIGCONT its late acknowledgements are
    refused, and it begins anew.
    """
    workshop.hold_and_wait.dispatch(call="one", folder=str(tmp_path))
    with worker(processes=1) as frozen:
        [slot] = wait_until(lambda: started(tmp_path, "one"))
        fork_server = int(Path(f"/proc/{slot}/stat").read_text().rpartition(")")[2].split()[1])
        for pid in (frozen.pid, fork_server, slot):
            os.kill(pid, signal.SIGSTOP)
        # The grace goes by the database's clock; make the last beat that old instead of waiting.
        looking.connection.execute("UPDATE forecourt.workers SET beat_at = now() - interval '1 minute'")
        with worker(processes=1):
            wait_until(lambda: len(started(tmp_path, "one")) == 2)
            (tmp_path / "one.go").touch()
            wait_until(lambda: looking.count("done"))
            for pid in (slot, fork_server, frozen.pid):
                os.kill(pid, signal.SIGCONT)
            wait_until(lambda: "beginning anew" in frozen.said())
        workshop.transact.dispatch(call="two")
        wait_until(lambda: looking.count("done") == 2)
    assert looking.traces("one") == 1
    assert looking.traces("two") == 1
    assert looking.one("SELECT sum(late) FROM forecourt.minutes") == 1, "late acknowledgements are counted"


def test_every_connection_ended_again_and_again_loses_and_doubles_nothing(looking: Looking, database: str) -> None:
    for n in range(60):
        workshop.transact.dispatch(call=f"call {n}", seconds=0.05)
    stop = threading.Event()

    def cut() -> None:
        with psycopg.connect(database, autocommit=True, application_name="cutter") as connection:
            while not stop.wait(0.5):
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND application_name LIKE 'forecourt %'"
                )

    cutter = threading.Thread(target=cut)
    with worker(processes=3) as process:
        cutter.start()
        try:
            wait_until(lambda: looking.count("done") > 25, timeout=40, what=process.said())
        finally:
            stop.set()
        cutter.join()
        wait_until(lambda: looking.live() == 0, timeout=40)
        assert process.popen.poll() is None, process.said()
    assert looking.rows("SELECT count(*), count(DISTINCT call) FROM traces") == [(60, 60)]
    assert looking.count("done") == 60
    assert looking.count("failed") == 0


def test_two_workers_share_a_queue_and_no_call_runs_twice(looking: Looking) -> None:
    workshop.leave_trace.dispatch_many([{"call": f"call {n}"} for n in range(400)])
    with worker(processes=1), worker(processes=1):
        wait_until(lambda: looking.live() == 0)
    assert looking.rows("SELECT count(*), count(DISTINCT call) FROM traces") == [(400, 400)]


SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'forecourt slots of %%'"

CLAIMED_BY = """
INSERT INTO forecourt.running (job, queue, args, token, worker, slot)
VALUES ('leave_trace', 'default', '{"call": "stray"}', nextval('forecourt.run_tokens'), %s, 0)
"""


def test_a_claim_whose_commit_was_never_answered_goes_back(looking: Looking) -> None:
    """The row is in running under this worker's name, but the worker never saw it: as after a
    connection lost at the commit.
    """
    with worker() as process:
        wait_until(lambda: "worker started" in process.said() and looking.one(SESSIONS) == 2)
        looking.connection.execute(CLAIMED_BY, [looking.one("SELECT id FROM forecourt.workers")])
        looking.connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'forecourt slots of %'"
        )
        wait_until(lambda: looking.count("done"))
    assert looking.rows("SELECT attempts FROM forecourt.done") == [(1,)]
    assert looking.traces("stray") == 1


STUCK_CLAIM = """
SELECT pid
FROM pg_stat_activity
WHERE datname = current_database()
  AND application_name LIKE 'forecourt slots of %%'
  AND wait_event_type = 'Lock'
"""


def test_a_claim_that_is_under_way_when_its_slot_is_killed_strands_no_call(looking: Looking, database: str) -> None:
    """Its session would commit it afterwards, under the name of a slot that knows nothing of it."""
    with worker(processes=1) as process:
        workshop.leave_trace.dispatch(call="before")
        slot = wait_until(lambda: looking.one("SELECT pid FROM traces"))
        with psycopg.connect(database) as holder:
            holder.execute("LOCK TABLE forecourt.pauses")
            workshop.leave_trace.dispatch(call="claimed by nobody")
            session = wait_until(lambda: looking.one(STUCK_CLAIM))
            os.kill(slot, signal.SIGKILL)
            wait_until(lambda: looking.one(STUCK_CLAIM + f"AND pid <> {session}"), what="the claim of its successor")
        wait_until(lambda: looking.count("done") == 2, what=process.said())
    assert looking.rows("SELECT call, count(*)::int FROM traces GROUP BY call ORDER BY call") == [
        ("before", 1),
        ("claimed by nobody", 1),
    ]


def test_a_claim_of_a_worker_that_is_no_more_goes_back(looking: Looking) -> None:
    """A frozen worker's claim may be committed after the others have given it up."""
    looking.connection.execute(CLAIMED_BY, [999_999])
    with worker():
        wait_until(lambda: looking.count("done"))
    assert looking.traces("stray") == 1


def test_a_call_in_a_thread_that_takes_its_worker_down_fails_in_the_end(looking: Looking) -> None:
    workshop.kill_the_supervisor.dispatch()
    for _ in range(2):
        process = Process("queue", "work", "--queue", "default", "--processes", "1")
        assert process.wait() == -signal.SIGKILL
    with worker(processes=1):
        wait_until(lambda: looking.live() == 0)
    assert looking.rows("SELECT error, attempts FROM forecourt.failed") == [("WorkerLost", 2)]


def test_a_read_only_database_drops_no_outcome(looking: Looking, database: str, tmp_path: Path) -> None:
    """Full managed storage, or a failover: for some seconds nothing can be written."""
    name = looking.one("SELECT quote_ident(current_database())")

    def read_only(value: str) -> None:
        looking.connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {value}".encode())
        looking.connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    workshop.wait_for_go.dispatch(folder=str(tmp_path))
    with worker(processes=1) as process:
        wait_until(lambda: (tmp_path / "begun").exists())
        read_only("on")
        (tmp_path / "go").touch()
        wait_until(lambda: "read-only transaction" in process.said())
        wait_until(lambda: process.said().count("round failed") >= 3)
        read_only("off")
        wait_until(lambda: looking.live() == 0, what=process.said())
        assert "cannot be written" not in process.said(), "it is the database's doing, not the outcome's"
    assert looking.rows("SELECT outcome, attempts FROM forecourt.done") == [("finished", 1)]


def test_a_worker_whose_fork_server_is_killed_without_pause_ends_with_words(looking: Looking, tmp_path: Path) -> None:
    workshop.hold_and_wait.dispatch(call="one", folder=str(tmp_path))
    process = Process(
        "queue", "work", "--queue", "default", "--processes", "1", app="doomed:app", DOOM=str(tmp_path / "doom")
    )
    [slot] = wait_until(lambda: started(tmp_path, "one"))
    (tmp_path / "doom").touch()
    os.kill(int(Path(f"/proc/{slot}/stat").read_text().rpartition(")")[2].split()[1]), signal.SIGKILL)
    assert process.wait() == 1
    assert "the fork server was killed 5 times before it was ready" in process.said()
    assert looking.count("running") == 0
    assert looking.live() == 1
