"""kill -9 and SIGSTOP at random moments under load, on two hosts whose wall clocks are three
seconds off in either direction.
"""

import os
import signal
import time
from pathlib import Path

import workshop
from faults import skew
from faults.hosts import Host, children
from faults.kills import KILLS, sigstop_past_the_grace
from faults.storm import Storm, raging
from fleet import Looking, wait_until, worker


def test_kills_lose_and_double_nothing_and_every_crash_is_counted(database: str, tmp_path: Path) -> None:
    library = skew.library(tmp_path)
    environments: list[dict[str, str]] = [{}, {}]
    if library is not None:
        clocks = [skew.Skew(library, tmp_path / name, seconds) for name, seconds in (("fast", 3), ("slow", -3))]
        assert [round(clock.shown() - time.time()) for clock in clocks] == [3, -3]
        environments = [clock.environment for clock in clocks]
    hosts = [
        Host(name, tmp_path / name, database, environment=environment)
        for name, environment in zip(("north", "south"), environments, strict=True)
    ]
    with raging(Storm(database, hosts, hurried=True)) as storm:
        killed = storm.endure("kill -9", KILLS, len(KILLS))
        frozen = storm.endure("SIGSTOP past the grace", [sigstop_past_the_grace], 1)
    assert killed.survived, killed
    assert frozen.survived, frozen


def test_a_fork_server_that_dies_while_its_supervisor_is_frozen_is_replaced(looking: Looking, tmp_path: Path) -> None:
    """It finds it all at once when it wakes up: a death, an end, and that the fork server is
    gone. Until then `ps` tells who is who.
    """
    for call in ("one", "two"):
        workshop.hold_and_wait.dispatch(call=call, folder=str(tmp_path))
    with worker(processes=2) as process:
        slots = [wait_until(lambda call=call: [*tmp_path.glob(f"{call}.*.started")]) for call in ("one", "two")]  # type: ignore[misc]
        first, second = [int(found[0].suffixes[0][1:]) for found in slots]
        [fork_server] = children(process.pid)
        assert _title(fork_server) == f"forecourt fork server of {process.pid}"
        assert {_title(slot)[:-1] for slot in (first, second)} == {
            "forecourt slot 0 of worker ",
            "forecourt slot 1 of worker ",
        }
        process.signal(signal.SIGSTOP)
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: first not in children(fork_server))
        (tmp_path / "two.go").touch()
        wait_until(lambda: looking.count("done") == 1)
        os.kill(fork_server, signal.SIGKILL)
        wait_until(lambda: not (Path(f"/proc/{fork_server}/cmdline").read_bytes() or Path(f"/proc/{second}").exists()))
        process.signal(signal.SIGCONT)
        (tmp_path / "one.go").touch()
        wait_until(lambda: looking.count("done") == 2)
        assert process.popen.poll() is None, process.said()
    assert looking.rows("SELECT call, count(*) FROM traces GROUP BY call ORDER BY call") == [("one", 1), ("two", 1)]


def _title(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0")
