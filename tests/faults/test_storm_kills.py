"""kill -9 at random moments under load: nothing lost, nothing doubled, every crash counted with its cause."""

import pytest
from pathlib import Path

from faults.hosts import Host
from faults.kills import KILLS
from faults.storm import Storm, raging, Result


def test_kill_9_at_random_moments_loses_and_doubles_nothing(database: str, tmp_path: Path) -> None:
    hosts = [Host(name, tmp_path / name, database) for name in ("north", "south")]
    with raging(Storm(database, hosts)) as storm:
        results = [storm.endure(fault, 3) for fault in KILLS]
    for r in results:
        print(r)
    assert all(result.survived for result in results), results
