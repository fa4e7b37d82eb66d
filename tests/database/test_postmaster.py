"""The server of the private cluster after kill -9 and worse: the next start works, and what was
committed is there.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from owners import Owner, data_in, postmaster_in

from forecourt.database.private import PrivateServer, PrivateServerError

LEFT_BEHIND = "postmaster.pid", ".s.PGSQL.5432", ".s.PGSQL.5432.lock"


@pytest.fixture
def server(root: Path) -> PrivateServer:
    return PrivateServer(root)


@pytest.fixture
def crashed(server: PrivateServer) -> PrivateServer:
    """A server whose postmaster was killed after it had committed a row to the table `kept`."""
    with psycopg.connect(server.start()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    kill_postmaster(server.root)
    return server


def kill_postmaster(root: Path) -> None:
    postmaster = postmaster_in(root)
    assert postmaster
    os.kill(postmaster, signal.SIGKILL)
    until(lambda: postmaster_in(root) is None)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def assert_serves_what_was_kept(server: PrivateServer) -> None:
    with psycopg.connect(server.start()) as connection:
        assert connection.execute("SELECT number FROM kept").fetchall() == [(7,)]
    server.release()
    assert postmaster_in(server.root) is None


def claim(server: PrivateServer, pid: str) -> None:
    """Let what the dead server left behind name another process."""
    data = data_in(server.root)
    for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
        lines = (data / name).read_text().split("\n")
        (data / name).write_text("\n".join([pid, *lines[1:]]))


def test_a_killed_server_starts_again_with_all_that_was_committed(crashed: PrivateServer) -> None:
    assert all((data_in(crashed.root) / name).exists() for name in LEFT_BEHIND)
    assert_serves_what_was_kept(crashed)


def test_a_start_waits_while_the_server_recovers_from_the_death_of_one_of_its_processes(server: PrivateServer) -> None:
    connection = psycopg.connect(server.start())
    connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    connection.commit()
    os.kill(connection.info.backend_pid, signal.SIGKILL)  # as the kernel does when memory runs out
    with suppress(psycopg.OperationalError):
        connection.execute("SELECT 1")
    connection.close()
    assert_serves_what_was_kept(server)


def test_a_server_that_is_about_to_recover_can_be_stopped(server: PrivateServer) -> None:
    log = server.root / "server.log"
    connection = psycopg.connect(server.start())
    os.kill(connection.info.backend_pid, signal.SIGKILL)
    until(lambda: "reinitializing" in log.read_text())
    connection.close()
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    stopping.join(40)
    assert not stopping.is_alive(), "it was told to end while it had nobody who could hear it"


def test_an_unfinished_transaction_of_a_killed_server_is_undone(crashed: PrivateServer) -> None:
    connection = psycopg.connect(crashed.start())
    connection.execute("INSERT INTO kept SELECT generate_series(100, 20000)")
    kill_postmaster(crashed.root)
    connection.close()
    assert_serves_what_was_kept(crashed)


def test_a_pid_file_that_names_a_living_stranger_is_cleared_away(crashed: PrivateServer) -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        claim(crashed, str(stranger.pid))
        assert_serves_what_was_kept(crashed)
        assert stranger.poll() is None
        stranger.kill()


def test_a_pid_file_that_names_another_clusters_server_is_cleared_away(
    crashed: PrivateServer, fresh_data: Path, tmp_path: Path
) -> None:
    other_root = tmp_path / "other"
    other_root.mkdir()
    subprocess.run(["cp", "-a", str(data_in(fresh_data)), str(other_root)], check=True)
    other = PrivateServer(other_root, durable=False)
    other.start()
    postmaster = postmaster_in(other_root)
    claim(crashed, str(postmaster))
    assert_serves_what_was_kept(crashed)
    assert postmaster_in(other_root) == postmaster
    other.release()


def test_a_pid_file_that_names_a_zombie_is_cleared_away(crashed: PrivateServer) -> None:
    with subprocess.Popen(["true"]) as zombie:
        until(lambda: Path(f"/proc/{zombie.pid}/stat").read_text().split()[2] == "Z")
        claim(crashed, str(zombie.pid))
        assert_serves_what_was_kept(crashed)


@pytest.mark.parametrize("half", ["", "12", "1\n/nowhere\n"])
def test_a_half_written_pid_file_is_cleared_away(crashed: PrivateServer, half: str) -> None:
    for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
        (data_in(crashed.root) / name).write_text(half)
    assert_serves_what_was_kept(crashed)


def test_sessions_that_still_work_for_a_killed_server_make_way(crashed: PrivateServer) -> None:
    busy = psycopg.connect(crashed.start(), options="-c statement_timeout=60s")
    [[backend]] = busy.execute("SELECT pg_backend_pid()").fetchall()

    def count_for_hours() -> None:
        with suppress(psycopg.OperationalError):
            busy.execute("SELECT count(*) FROM generate_series(1, 1e12::bigint)")

    counting = threading.Thread(target=count_for_hours)
    counting.start()
    with psycopg.connect(crashed.start(), autocommit=True) as connection:
        active = "SELECT state = 'active' FROM pg_stat_activity WHERE pid = %s"
        until(lambda: connection.execute(active, [backend]).fetchone() == (True,))
    kill_postmaster(crashed.root)
    assert Path(f"/proc/{backend}").exists()
    assert_serves_what_was_kept(crashed)
    counting.join()
    busy.close()


FIRST_PROCESS = """
import ctypes, os, signal, sys, time
from pathlib import Path
from forecourt.database.cluster import Cluster
from forecourt.database.postmaster import Postmaster
from forecourt.database.private import PrivateServer

PR_SET_CHILD_SUBREAPER = 36
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
root = Path(sys.argv[1])
server = PrivateServer(root)
[data] = root.glob("pg*")
state = lambda pid: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]

server.start()
killed = Postmaster(Cluster(data)).pid()
os.kill(killed, signal.SIGKILL)
while state(killed) != "Z":
    time.sleep(0.002)
server.start()
stopped = Postmaster(Cluster(data)).pid()
server.release()
assert killed != stopped
assert (state(killed), state(stopped)) == ("Z", "Z")
"""


def test_in_a_container_whose_first_process_does_not_reap_a_zombie_is_no_server(root: Path) -> None:
    subprocess.run([sys.executable, "-c", FIRST_PROCESS, str(root)], check=True, timeout=30)


def test_whoever_is_killed_while_it_starts_the_server_does_no_harm(empty_root: Path, own: Callable[..., Owner]) -> None:
    log = empty_root / "server.log"
    first = own(wait=False)
    until(lambda: any(empty_root.glob("pg*.unfinished.*/PG_VERSION")))
    first.kill()
    second = own(wait=False)
    until(lambda: log.exists() and "starting PostgreSQL" in log.read_text())
    second.kill()
    third = own()
    assert third.leave() == 0
    assert postmaster_in(empty_root) is None


def test_a_start_does_not_wait_for_the_sessions_of_a_server_that_was_told_to_stop(server: PrivateServer) -> None:
    staying = psycopg.connect(server.start())
    postmaster = postmaster_in(server.root)
    assert postmaster
    os.kill(postmaster, signal.SIGTERM)  # PostgreSQL then waits for its sessions
    until(lambda: "stopping" in (data_in(server.root) / "postmaster.pid").read_text())
    with psycopg.connect(server.start()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert postmaster_in(server.root) != postmaster
    staying.close()
    server.release()


def test_a_server_that_cannot_start_says_why(server: PrivateServer) -> None:
    with (data_in(server.root) / "postgresql.conf").open("a") as configuration:
        configuration.write("nonsense = 1\n")
    with pytest.raises(PrivateServerError, match=r'server.log ends with:\n.*unrecognized .* parameter "nonsense"'):
        server.start()
    assert server.stop() is False


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_a_full_disk_is_named_by_whoever_starts_the_server_and_with_room_it_starts(root: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=90m", "tmpfs", small], capture_output=True)
    if mounted.returncode:
        pytest.skip("root may not mount here")
    try:
        subprocess.run(["cp", "-a", *root.glob("pg*"), small], check=True)
        with (small / "fill").open("wb", buffering=0) as fill, suppress(OSError):
            while True:
                fill.write(bytes(1 << 16))
        with pytest.raises(PrivateServerError, match=r"does not start\. The disk of .*small is full"):
            PrivateServer(small).start()
        (small / "fill").unlink()
        roomy = PrivateServer(small)
        roomy.start()
        roomy.release()
    finally:
        subprocess.run(["umount", small], check=True)
