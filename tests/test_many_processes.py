"""As many slots as a worker may have: more than a process usually has descriptors, and more than
`select` can watch.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from sqlalchemy import create_engine, make_url

from fleet import Looking, running, wait_until
from forecourt.database import postmaster
from forecourt.database.private import PrivateServer
from forecourt.database.schema import upgrade
from forecourt.settings import settings

SLOTS = 256

MANY = "SELECT forecourt.dispatch(%s, jsonb_build_object(%s::text, %s::text)) FROM generate_series(1, %s)"


@pytest.fixture
def looking(empty_var: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Looking]:
    """A server of its own, which has a connection for each slot."""
    server = PrivateServer(tmp_path / "server", durable=False)
    with patch.dict(postmaster.SETTINGS, max_connections=str(SLOTS + 100)):
        url = server.start()
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    upgrade(engine)
    engine.dispose()
    monkeypatch.setenv("FORECOURT_DATABASE_URL", url)
    settings.cache_clear()
    look = Looking(url)
    yield look
    look.connection.close()
    server.release()
    settings.cache_clear()


def free_memory() -> float:
    """In GiB."""
    [line] = [line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable:")]
    return int(line.split()[1]) / 2**20


@pytest.mark.timeout(240)
@pytest.mark.skipif(free_memory() < 6, reason=f"{SLOTS} slots take 4 GiB, and the machine needs its own")
def test_256_slots_stand_work_and_stop_in_order(looking: Looking, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    with running("queue", "work", "--processes", str(SLOTS), app="crowd:app") as process:
        wait_until(lambda: "worker started" in process.said())
        looking.rows(MANY, "stand", "folder", str(tmp_path), SLOTS)
        wait_until(lambda: len(list(tmp_path.glob("stands.*"))) == SLOTS, 90, "all slots to work at once")
        assert looking.rows("SELECT slots FROM forecourt.workers") == [(SLOTS,)]
        with gate.open("r+b", buffering=0):
            wait_until(lambda: looking.count("done") == SLOTS)
        looking.rows(MANY, "pass_by", "folder", str(tmp_path), 500)
        wait_until(lambda: looking.count("done") == SLOTS + 500)
        process.signal(signal.SIGTERM)
        assert process.wait(60) == 0, process.said()
    assert (looking.live(), looking.count("failed"), looking.count("workers")) == (0, 0, 0)
    assert looking.rows("SELECT DISTINCT attempts FROM forecourt.done") == [(1,)]
    wait_until(lambda: not [path for path in tmp_path.glob("stands.*") if alive(int(path.suffix[1:]))])


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
