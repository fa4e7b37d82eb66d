"""Everything behind PgBouncer in transaction mode: no session state is needed, and kills and lost
connections do no harm.
"""

import os
from pathlib import Path

import pytest

from faults.hosts import Host
from faults.kills import kill_9_of_a_slot, kill_9_of_a_supervisor
from faults.outages import every_connection_ended_again_and_again
from faults.pooler import NoPooler, advisory_locks, pgbouncer
from faults.site import site
from faults.storm import Storm, raging


def test_behind_pgbouncer_in_transaction_mode_nothing_is_lost_or_doubled(empty_var: Path, tmp_path: Path) -> None:
    address = f"127.213.{os.getpid() // 250 % 250}.{os.getpid() % 250 + 1}"
    try:
        with (
            site(tmp_path / "site", networks=["127.0.0.0/8"], listen_addresses=address) as ground,
            pgbouncer(address) as url,
        ):
            hosts = [
                Host(name, tmp_path / name, url, environment={"FORECOURT_POOLED": "true"})
                for name in ("north", "south")
            ]
            with raging(Storm(ground.url, hosts)) as storm:
                faults = (kill_9_of_a_slot, every_connection_ended_again_and_again, kill_9_of_a_supervisor)
                result = storm.endure("behind PgBouncer", faults, 3)
                assert advisory_locks(ground) == 0
            said = "".join(host.worker.said() + host.clock.said() for host in hosts)
    except NoPooler as why:
        pytest.skip(str(why))
    assert result.survived, result
    assert "prepared statement" not in said
