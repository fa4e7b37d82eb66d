"""PostgreSQL in trouble under load, its horizon held all the while: nothing lost, nothing
doubled.
"""

from contextlib import ExitStack
from pathlib import Path

from faults.hosts import Host
from faults.outages import Outages, take_all_connections
from faults.site import site
from faults.storm import Storm, raging
from faults.wire import wire
from fleet import Process
from forecourt.slots import markers
from forecourt.slots.markers import Markers


def test_postgresql_in_trouble_loses_and_doubles_nothing(empty_var: Path, tmp_path: Path) -> None:
    with site(tmp_path / "site", max_connections="40") as ground, wire(ground.socket) as line:
        hosts = [Host(name, tmp_path / name, line.url) for name in ("north", "south")]
        with raging(Storm(ground.url, hosts)) as storm:
            faults = Outages(ground, line).all
            result = storm.endure("PostgreSQL in trouble", faults, len(faults))
        with ExitStack() as stack:
            take_all_connections(ground.url, stack)
            refused = Process("queue", "size", FORECOURT_DATABASE_URL=ground.url)
            assert refused.wait() == 69
    assert result.survived, result
    assert line.lost, "commits whose answers got lost"
    assert "cannot reach PostgreSQL at" in refused.said()
    assert "too many clients already" in refused.said()


def test_the_markers_have_their_room_before_a_slot_writes_them(tmp_path: Path) -> None:
    """A store into a file's hole, when the disk has become full meanwhile, would kill the slot."""
    Markers(tmp_path / "marks", 8)
    assert (tmp_path / "marks").stat().st_blocks * 512 >= 8 * markers.SIZE
