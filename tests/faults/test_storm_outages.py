"""PostgreSQL in trouble under load, its horizon held all the while: nothing lost, nothing doubled."""

from pathlib import Path

from faults.hosts import Host
from faults.outages import Outages
from faults.site import site
from faults.storm import Storm, raging
from faults.wire import wire


def test_postgresql_in_trouble_loses_and_doubles_nothing(empty_var: Path, tmp_path: Path) -> None:
    with site(tmp_path / "site", max_connections="40") as ground, wire(ground.socket) as line:
        hosts = [Host(name, tmp_path / name, line.url) for name in ("north", "south")]
        with raging(Storm(ground.url, hosts)) as storm:
            faults = Outages(ground, line).all
            result = storm.endure("PostgreSQL in trouble", faults, len(faults))
    assert result.survived, result
    assert line.lost, "commits whose answers got lost"
