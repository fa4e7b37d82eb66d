"""What a worker has in memory, and says of it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import workshop
from fleet import TESTS, Looking, wait_until, worker
from forecourt.workers.resources import Memory


@pytest.fixture
def pids() -> Iterator[list[int]]:
    processes = [subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) for _ in range(4)]
    yield [process.pid for process in processes]
    for process in processes:
        process.communicate()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_who_was_not_read_yet_counts_as_the_others_and_who_ended_does_not(pids: list[int]) -> None:
    listed = list(pids)
    memory = Memory(lambda: listed)
    first = memory.look() or 0
    assert first > 0
    assert first % len(pids) == 0, "one was read, and counts for all four"
    for _ in pids:
        found = memory.look() or 0
    listed[:] = pids[:1]
    alone = memory.look() or 0
    assert 0 < alone < found
    listed.append(2**22 + 1)  # above the kernel's largest
    assert memory.look() == 2 * alone


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_the_application_is_loaded_once_for_all_slots_and_not_by_their_supervisor(looking: Looking) -> None:
    def has_loaded(pid: int) -> bool:
        return "pydantic_core" in Path(f"/proc/{pid}/maps").read_text()

    def parent(pid: int) -> int:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])

    with worker() as process:
        workshop.leave_trace.dispatch(call="here")
        slot = wait_until(lambda: looking.one("SELECT pid FROM traces"))
        assert parent(parent(slot)) == process.pid, "its parent is the fork server, and that one's is the supervisor"
        title = Path(f"/proc/{process.pid}/cmdline").read_text()
        assert title.startswith("forecourt queue work --queue high,default,low ")
        assert [has_loaded(pid) for pid in (slot, parent(slot), process.pid)] == [True, True, False]


def test_a_worker_loads_neither_what_reads_commands_nor_what_only_its_slots_need() -> None:
    code = "import sys, forecourt.worker; print(*{'click', 'sqlalchemy', 'pydantic'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "\n"


APART = """
import workshop
assert not __debug__ or 1 / 0
app = workshop.app
"""


def test_a_worker_goes_on_with_the_path_the_switches_and_the_streams_of_its_command(
    looking: Looking, tmp_path: Path
) -> None:
    (tmp_path / "apart.py").write_text(APART)
    (tmp_path / "manage.py").write_text("from forecourt.cli import main\nmain()")
    workshop.leave_trace.dispatch(call="here")
    command = [sys.executable, "-O", str(tmp_path / "manage.py"), "queue", "work", "--stop-when-empty"]
    environment = os.environ | {"PYTHONPATH": str(TESTS), "FORECOURT_APP": "apart:app"}
    closed = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"]
    assert subprocess.run([*closed, *command], env=environment, cwd="/", timeout=60).returncode == 0
    assert looking.rows("SELECT call FROM traces") == [("here",)]
