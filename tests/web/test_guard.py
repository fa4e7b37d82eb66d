"""Who may talk to the server, and under which name."""

import asyncio
import socket
from contextlib import suppress

import httpx
import pytest

from forecourt.settings import settings
from forecourt.web.app import create_app
from forecourt.web.guard import OpenToOthers, require_loopback
from forecourt.web.server import CannotListen, listen
from serving import served


def asked_as(host: str) -> httpx.Response:
    """The answer to a request for a page, not a probe, under this name."""

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(create_app()), base_url="http://localhost"
        ) as client:
            return await client.get("/nowhere", headers={"Host": host})

    return asyncio.run(ask())


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "LOCALHOST", "127.0.0.1:8000", "[::1]:8000", "[::1]"])
def test_this_machines_own_names_are_let_in(empty_var: object, host: str) -> None:
    assert asked_as(host).status_code == 404


@pytest.mark.parametrize(
    "host",
    ["rebound.example", "localhost.rebound.example", "127.0.0.1.nip.io:8000", "10.0.0.7", "", "[::1", "x@localhost@y"],
)
def test_any_other_name_is_refused_with_what_to_do(empty_var: object, host: str) -> None:
    answer = asked_as(host)
    assert answer.status_code == 403
    assert answer.headers["cache-control"] == "no-store"
    assert "FORECOURT_BASE_URL" in answer.json()["message"]


def test_the_public_name_is_let_in(empty_var: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECOURT_BASE_URL", "https://Cars.example.com:8443")
    settings.cache_clear()
    assert asked_as("cars.example.com").status_code == 404
    assert asked_as("cars.example.com:8443").status_code == 404
    assert asked_as("example.com").status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_credentials(host: str) -> None:
    require_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "8.8.8.8", "cars.example.com", ""])
def test_no_other_address_is_listened_on(host: str) -> None:
    with pytest.raises(OpenToOthers, match="reverse proxy"):
        listen(host, 0)


def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(CannotListen, match=f"port {port} of 127.0.0.1: another program does"):
            listen("127.0.0.1", port)


def test_headers_without_end_are_cut_off_and_a_long_body_is_not(empty_var: object) -> None:
    with served() as address:
        port = int(address.rpartition(":")[2])
        head = b"POST /livez HTTP/1.1\r\nhost: localhost\r\n"
        for endless, more in (
            (b"GET /", b"a" * 1000),
            (head + b"x: ", b"a" * 1000),
            (head, b"x: 1\r\n" * 200),
            (head + b"transfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n", b"x: 1\r\n" * 200),
        ):
            with socket.create_connection(("127.0.0.1", port), 30) as line:
                line.sendall(endless)
                with suppress(ConnectionError):  # it is closed while we talk
                    for _ in range(500):
                        line.sendall(more)
                with suppress(ConnectionResetError):
                    answer = line.recv(1000)
                    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 405")), answer[:100]
                    while line.recv(65536):
                        pass
        assert httpx.post(f"{address}/livez", content=b"a" * 200_000).status_code == 405
