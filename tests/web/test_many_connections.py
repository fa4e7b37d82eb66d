"""Whoever opens many connections and says nothing, or half of something, keeps nobody out."""

import logging
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import httpx
import pytest

from serving import served

FEW = 12

HEAD = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n"
BODY = b"POST /login HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\nContent-Length: 900\r\n\r\nname=somebody"


@pytest.fixture
def address(database: str) -> Iterator[str]:
    with served(most_connections=FEW) as address:
        yield address


@pytest.mark.parametrize("said", [b"", HEAD, BODY], ids=["nothing", "half a head", "half a form"])
def test_who_lets_the_server_wait_longest_makes_room_for_whoever_comes(
    address: str, said: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    here = urlsplit(address)
    held = []
    for _ in range(4 * FEW):
        held.append(socket.create_connection((here.hostname, here.port), timeout=30))
        held[-1].sendall(said)
    assert httpx.get(f"{address}/livez", timeout=30).status_code == 200
    assert httpx.get(f"{address}/calls", timeout=30).status_code == 200
    first, *_, last = held
    with suppress(ConnectionResetError):
        assert first.recv(1) == b""
    if said != BODY:
        last.sendall((HEAD if not said else b"") + b"\r\n")
        assert last.recv(100).startswith(b"HTTP/1.1 200"), "who came last is still waited for"
    for one in held:
        one.close()
    assert caplog.records == [], "who leaves in the middle of a form is no error"


def test_as_many_connections_are_taken_as_the_system_has_files_for() -> None:
    asked = "import resource as r; r.setrlimit(r.RLIMIT_NOFILE, ({soft}, {hard})); from forecourt.web.reading import"
    asked += " most_connections; print(most_connections(), r.getrlimit(r.RLIMIT_NOFILE)[0])"
    for soft, hard, taken, open_files in ((256, 1024, 128, 1024), (256, 800, 100, 800)):
        command = [sys.executable, "-c", asked.format(soft=soft, hard=hard)]
        assert subprocess.check_output(command, text=True).split() == [str(taken), str(open_files)]
