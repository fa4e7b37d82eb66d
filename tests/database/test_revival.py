"""A private PostgreSQL that dies while daemons run is started again by one of them, and nothing is
lost.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import workshop
from fleet import Looking, Process, running, wait_until
from forecourt.database.private import PrivateServer
from newcomers import free_port


@pytest.fixture
def private(empty_var: Path) -> Iterator[PrivateServer]:
    """A private server that this process does not own."""
    migrated = Process("db", "migrate")
    assert migrated.wait(60) == 0, migrated.said()
    server = PrivateServer(empty_var / "postgres")
    yield server
    server.stop()


def postmaster(var: Path) -> int:
    try:
        return int(next((var / "postgres").glob("pg*/postmaster.pid")).read_text().split()[0])
    except (StopIteration, FileNotFoundError, IndexError, ValueError):
        return 0


DAEMONS = [["queue", "work", "--sleep", "0.2"], ["schedule", "work"], ["web"], ["up", "--processes", "1"]]


@pytest.mark.parametrize("daemon", DAEMONS, ids=lambda words: words[0] if words[0] != "queue" else "queue work")
def test_it_comes_back(private: PrivateServer, empty_var: Path, daemon: list[str]) -> None:
    port = free_port()
    with running(*daemon, FORECOURT_WEB_PORT=port) as process:
        wait_until(lambda: "started" in process.said() and postmaster(empty_var))
        looking = Looking(private.start())
        workshop.nothing.using(session=looking.connection, queue="default").dispatch(n=1)
        killed = postmaster(empty_var)
        looking.connection.close()
        private.release()
        os.kill(killed, signal.SIGKILL)
        if daemon == ["web"]:
            ask(port)
        wait_until(lambda: postmaster(empty_var) not in (0, killed), what=process.said())
        looking = Looking(wait_until(private.start))
        if daemon[0] in ("queue", "up"):
            wait_until(lambda: looking.count("done") == 1, what=process.said())
        assert looking.count("done") + looking.live() == 1
        looking.connection.close()


def ask(port: str) -> None:
    """A page, so that the server needs its database."""
    import httpx

    def answered() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=30).status_code == 200
        except httpx.HTTPError:
            return False

    wait_until(answered)
