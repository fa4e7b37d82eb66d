"""The first slot of a worker hears of new calls itself while it is idle."""

import os
import signal
from pathlib import Path

import workshop
from fleet import Looking, Process, wait_until, worker

RESTS = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = 1718579829 AND granted)"
LATEST = (
    "SELECT query FROM pg_stat_activity WHERE application_name ~ '^forecourt slots' AND datname = current_database()"
)


def runs_while_its_supervisor_is_frozen(process: Process, looking: Looking) -> bool:
    """Whether a call does that is dispatched once the worker says that it wants notifications."""
    wait_until(lambda: looking.one(RESTS))
    before = looking.count("done")
    os.kill(process.pid, signal.SIGSTOP)
    try:
        workshop.nothing.dispatch(n=before)
        return bool(wait_until(lambda: looking.count("done") == before + 1))
    finally:
        os.kill(process.pid, signal.SIGCONT)


def test_an_idle_slot_hears_of_calls_itself_and_does_not_listen_while_it_is_busy_for_long(
    looking: Looking, tmp_path: Path
) -> None:
    """What nobody reads would pile up in the server."""
    with worker("--sleep", "60", processes=1) as process:
        assert runs_while_its_supervisor_is_frozen(process, looking)
        workshop.limited_both_ways.dispatch(call="call", folder=str(tmp_path))
        wait_until(lambda: looking.one(LATEST) == "UNLISTEN *")
        wait_until(lambda: not looking.one(RESTS))
        (tmp_path / "go").touch()
        wait_until(lambda: looking.count("done") == 2)
        assert runs_while_its_supervisor_is_frozen(process, looking)
