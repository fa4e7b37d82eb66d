"""`forecourt up` and `forecourt web` as an operator meets them: real processes on a real
database.
"""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from descent import alive, descendants

from fleet import Process, wait_until
from forecourt.database.private import PrivateServer

HERE = Path(__file__).parent


@pytest.fixture
def port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


@pytest.fixture
def forecourt(empty_var: Path) -> Iterator[Callable[..., Process]]:
    """Starts commands of the tiny application; whatever is left of them after the test is
    killed.
    """
    started: list[Process] = []

    def start(*arguments: str, **environment: str) -> Process:
        started.append(Process(*arguments, app="tiny:app", PYTHONPATH=str(HERE), **environment))
        return started[-1]

    yield start
    for process in started:
        process.kill()


def status(port: int, path: str) -> int | None:
    """The status of an answer; None when nobody answers."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=10).status_code
    except httpx.TransportError:
        return None


def wait_for_answer(process: Process, port: int, path: str) -> None:
    wait_until(lambda: status(port, path) == 200 or process.popen.poll() is not None, 60, path)
    assert process.popen.poll() is None, process.said()


def worker_pids(url: str) -> set[int]:
    with psycopg.connect(url) as connection:
        return {row[0] for row in connection.execute("SELECT pid FROM forecourt.workers WHERE NOT stopping")}


def test_up_runs_a_schedule_restarts_what_dies_and_ends_in_order(
    forecourt: Callable[..., Process], database: str, port: int
) -> None:
    up = forecourt("up", "--processes", "1", "--queue", "high,default", "--web-port", str(port))
    wait_for_answer(up, port, "/health/scheduler")
    assert status(port, "/readyz") == 200
    said = up.said()
    assert "up      | running: clock, worker (slots: 1), web" in said
    assert f"up      | health: http://127.0.0.1:{port}/health/scheduler" in said
    assert "worker started" in said
    assert "queues=high,default," in said

    (first,) = worker_pids(database)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: worker_pids(database) - {first}, what="another worker")
    assert "up      | worker was killed by SIGKILL after " in up.said()

    wait_until(lambda: len(descendants(up.pid)) >= 5, what="clock, web, worker, its fork server and its slot")
    family = descendants(up.pid)
    up.signal(signal.SIGTERM)
    assert up.wait() == 0, up.said()
    wait_until(lambda: not alive(family), what="all to be gone")
    assert worker_pids(database) == set()


def test_nobody_outlives_a_killed_up(forecourt: Callable[..., Process], database: str, port: int) -> None:
    up = forecourt("up", "--processes", "2", "--web-port", str(port))
    wait_for_answer(up, port, "/health/scheduler")
    family = descendants(up.pid)
    up.kill()
    wait_until(lambda: not alive(family), what="all to be gone")
    assert status(port, "/livez") is None


def test_without_a_database_url_up_starts_and_stops_a_private_one(
    forecourt: Callable[..., Process], empty_var: Path, port: int, request: pytest.FixtureRequest
) -> None:
    request.addfinalizer(PrivateServer(empty_var / "postgres").stop)
    up = forecourt("up", "--processes", "1", "--web-port", str(port))
    wait_for_answer(up, port, "/readyz")
    assert f"database: private PostgreSQL in {empty_var / 'postgres'}" in up.said()
    assert "migrate | Schema empty → " in up.said()
    up.signal(signal.SIGINT)
    assert up.wait() == 0, up.said()
    assert not list((empty_var / "postgres").glob("pg*/postmaster.pid"))


def test_a_taken_port_is_told_before_anything_starts(forecourt: Callable[..., Process], database: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        up = forecourt("up", "--web-port", str(port))
        assert up.wait() == 1
    assert f"Error: cannot listen on port {port} of 127.0.0.1: another program does. Choose another" in up.said()
    assert len(up.said().splitlines()) == 1


@pytest.mark.parametrize("command", ["up", "web"])
def test_nothing_listens_beyond_this_machine(forecourt: Callable[..., Process], database: str, command: str) -> None:
    process = forecourt(command, FORECOURT_WEB_HOST="0.0.0.0")
    assert process.wait() == 4
    assert "FORECOURT_WEB_HOST=0.0.0.0 can be reached from other machines" in process.said()
    assert "reverse proxy" in process.said()


def test_a_database_that_is_away_is_named(forecourt: Callable[..., Process], port: int) -> None:
    up = forecourt("up", "--web-port", str(port), FORECOURT_DATABASE_URL="postgresql://me:secret@127.0.0.1:1/cars")
    assert up.wait() == 69
    assert "cannot reach PostgreSQL at 127.0.0.1, port 1, user me" in up.said()
    assert "secret" not in up.said()


@pytest.mark.parametrize(
    ("option", "words"),
    [(("--processes", "0"), "--processes: expected 1 to 256"), (("--queue", "high,"), "--queue: '' is not a name")],
)
def test_a_worker_that_could_not_start_is_refused_at_once(
    forecourt: Callable[..., Process], database: str, option: tuple[str, str], words: str
) -> None:
    up = forecourt("up", *option)
    assert up.wait() == 2
    assert words in up.said()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_web_ends_in_order(forecourt: Callable[..., Process], database: str, port: int, number: signal.Signals) -> None:
    web = forecourt("web", FORECOURT_WEB_PORT=str(port))
    wait_for_answer(web, port, "/livez")
    web.signal(number)
    assert web.wait() == 0
    assert "web stopped" in web.said()
