"""kill -9 and SIGSTOP at random moments under load, on two hosts whose wall clocks are three seconds off in either direction."""

import time
from pathlib import Path

from faults import skew
from faults.hosts import Host
from faults.kills import KILLS, sigstop_past_the_grace
from faults.storm import Storm, raging
from fleet import Looking


def test_kills_lose_and_double_nothing_and_every_crash_is_counted(
    looking: Looking, database: str, tmp_path: Path
) -> None:
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
        killed = storm.endure("kill -9", KILLS, 2 * len(KILLS))
        frozen = storm.endure("SIGSTOP past the grace", [sigstop_past_the_grace], 1)
    print(killed, frozen)
    assert killed.survived, killed
    assert frozen.survived, frozen
    assert looking.one("SELECT sum(late) FROM forecourt.minutes") > 0, "late acknowledgements are counted"
