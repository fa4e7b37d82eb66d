"""What is asked of one worker: to be quiet, to go on, to stop; and what it takes of its machine."""

from pathlib import Path

import workshop
from fleet import Looking, Process, wait_until


def ask(what: str, worker: int) -> tuple[int, str]:
    process = Process("queue", "worker", what, str(worker))
    return process.wait(), process.said()


def test_a_quiet_worker_finishes_claims_nothing_more_goes_on_when_resumed_and_ends_when_stopped(
    looking: Looking, tmp_path: Path
) -> None:
    workshop.hold_and_wait.dispatch(call="runs", folder=str(tmp_path))
    process = Process("queue", "work", "--queue", "default", "--processes", "1", "--sleep", "0.1", "--stop-when-empty")
    wait_until(lambda: list(tmp_path.glob("runs.*.started")))
    worker = looking.one("SELECT id FROM forecourt.workers")
    code, said = ask("quiet", worker)
    assert (code, "claims nothing more" in said) == (0, True)
    assert "does so already" in ask("quiet", worker)[1]
    wait_until(lambda: looking.one("SELECT quiet FROM forecourt.workers"))
    workshop.nothing.dispatch(n=1)
    (tmp_path / "runs.go").touch()
    wait_until(lambda: looking.count("done") == 1)
    wait_until(lambda: looking.rows("SELECT busy, memory > 1e6 FROM forecourt.workers") == [(0, True)])
    assert (looking.count("ready"), looking.one("SELECT job FROM forecourt.done")) == (1, "hold_and_wait")
    assert process.said().count("stopping") == 0, "what it is not to claim is no empty queue"
    assert "goes on" in ask("resume", worker)[1]
    wait_until(lambda: looking.count("done") == 2)
    assert process.wait() == 0


def test_one_worker_is_stopped_as_by_sigterm_and_its_place_stays_known(looking: Looking, tmp_path: Path) -> None:
    workshop.hold_and_wait.dispatch(call="runs", folder=str(tmp_path))
    process = Process("queue", "work", "--queue", "default", "--processes", "1")
    wait_until(lambda: list(tmp_path.glob("runs.*.started")))
    worker = looking.one("SELECT id FROM forecourt.workers")
    assert ask("quiet", worker)[0] == 0
    assert "in order" in ask("stop", worker)[1]
    assert "is to stop" in ask("resume", worker)[1]
    wait_until(lambda: "asked it to" in process.said())
    (tmp_path / "runs.go").touch()
    assert process.wait() == 0
    assert "no longer quiet" not in process.said(), "it stays so to its end"
    assert looking.rows("SELECT id, pid FROM forecourt.past_workers") == [(worker, process.pid)]
    assert looking.rows("SELECT worker FROM forecourt.done") == [(worker,)]
    code, said = ask("stop", worker)
    assert (code, f"no worker has the id {worker}" in said) == (5, True)
    audited = looking.rows("SELECT action, target FROM forecourt.audit ORDER BY id")
    assert audited == [("worker quiet", {"worker": worker}), ("worker stop", {"worker": worker})]
