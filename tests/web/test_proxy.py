"""A proxy that signs people in is believed from its own address only, whatever others write into
their headers.
"""

from collections.abc import Callable, Iterator

import httpx
import psycopg
import pytest
from starlette.requests import Request

from forecourt.operations import people, tokens
from forecourt.settings import WrongSettings, read, settings
from forecourt.web import access
from forecourt.web.app import create_app
from forecourt.web.proxy import client

Ask = Callable[..., httpx.Response]

PROXY, STRANGER = "10.1.2.3", "203.0.113.9"


@pytest.fixture
def ask(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ask]:
    """Asks from an address, with headers."""
    monkeypatch.setenv("FORECOURT_WEB_TRUSTED_PROXY", "10.1.0.0/16, 127.0.0.1, fd00::7")
    monkeypatch.setenv("FORECOURT_BASE_URL", "https://ops.example")
    settings.cache_clear()
    access._remembered.clear()

    def send(peer: str, method: str = "GET", path: str = "/api/v1/me", **headers: str) -> httpx.Response:
        import asyncio

        async def go() -> httpx.Response:
            transport = httpx.ASGITransport(create_app(), client=(peer, 4242))
            async with httpx.AsyncClient(transport=transport, base_url="https://ops.example") as client:
                named = {name.replace("_", "-"): value for name, value in headers.items()}
                return await client.request(
                    method, path, headers=named, json={"queue": "q"} if method == "POST" else None
                )

        return asyncio.run(go())

    yield send
    access._remembered.clear()


ANNA = {"x_forwarded_user": "anna@ops.example", "x_forwarded_role": "operator"}


def test_a_listed_proxy_says_who_asks_and_what_they_may(ask: Ask, tx: psycopg.Connection) -> None:
    assert ask(PROXY, **ANNA).json() | {"version": ""} == {
        "name": "anna@ops.example (proxy)", "role": "operator", "scopes": [], "version": "", "timezone": "UTC",
    }  # fmt: skip
    own = {"sec_fetch_site": "same-origin"}
    assert ask(PROXY, "POST", "/api/v1/queues/pause", **ANNA, **own).status_code == 200
    assert tx.execute("SELECT who FROM forecourt.pauses").fetchone() == ("anna@ops.example (proxy)",)
    assert ask(PROXY, "POST", "/api/v1/queues/clear", **ANNA, **own).status_code == 403
    foreign = {"sec_fetch_site": "cross-site"}
    assert ask(PROXY, "POST", "/api/v1/queues/pause", **ANNA, **foreign).status_code == 403, "a stranger's page"
    groups = ANNA | {"x_forwarded_role": "staff, Admin, viewer"}
    assert ask("fd00::7", **groups).json()["role"] == "admin"
    assert ask("::ffff:10.1.2.3", **ANNA).json()["role"] == "operator"


def test_forged_headers_are_nothing_to_us(ask: Ask, tx: psycopg.Connection) -> None:
    for forged in (
        ANNA,
        ANNA | {"x_forwarded_for": PROXY},
        ANNA | {"x_forwarded_for": f"{PROXY}, {PROXY}", "x_real_ip": PROXY, "forwarded": f"for={PROXY}"},
    ):
        assert ask(STRANGER, **forged).status_code == 403, "nobody is known who could sign in"
    people.add(tx, "omar", "viewer", "correct horse battery", who="the test")
    access._remembered.clear()
    assert ask(STRANGER, **ANNA).status_code == 401
    bearer = {"authorization": f"Bearer {tokens.add(tx, 'robot', ['read'], who='the test')[0]}"}
    admin = ANNA | {"x_forwarded_role": "admin"}
    assert ask(PROXY, **admin, **bearer).json()["name"] == "robot (token)", "a token counts alone"


def test_what_a_proxy_says_has_to_make_sense(ask: Ask) -> None:
    assert ask(PROXY).status_code == 403, "it says nothing"
    assert ask("127.0.0.1").status_code == 403, "a listed proxy on this machine is not its user"
    assert "gives anna@ops.example no role" in ask(PROXY, x_forwarded_user="anna@ops.example").json()["detail"]
    assert ask(PROXY, **ANNA | {"x_forwarded_role": "root"}).status_code == 403
    assert ask(PROXY, **ANNA | {"x_forwarded_user": "x" * 101}).status_code == 400


def test_a_header_that_the_proxy_adds_instead_of_replacing_is_refused(ask: Ask) -> None:
    import asyncio

    async def go() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(), client=(PROXY, 4242))
        async with httpx.AsyncClient(transport=transport, base_url="https://ops.example") as client:
            twice = [("X-Forwarded-User", "admin"), ("X-Forwarded-User", "anna"), ("X-Forwarded-Role", "admin")]
            return await client.get("/api/v1/me", headers=twice)

    answer = asyncio.run(go())
    assert (answer.status_code, "has to replace" in answer.json()["detail"]) == (400, True)


def test_tries_are_counted_by_whom_a_proxy_asks_for_and_a_stranger_cannot_choose(
    ask: Ask, tx: psycopg.Connection
) -> None:
    for n, (peer, forwarded) in enumerate(
        (
            (PROXY, "198.51.100.1"),
            (PROXY, "6.6.6.6, 198.51.100.1"),
            (PROXY, "198.51.100.1:49152"),
            (PROXY, "[2001:db8::1]:49152"),
            (STRANGER, "1.1.1.1"),
        )
    ):
        ask(peer, authorization=f"Bearer wrong{n}", x_forwarded_for=forwarded)
    counted = dict(tx.execute("SELECT key, tries FROM forecourt.login_failures").fetchall())
    assert counted == {"token from 198.51.100.1": 3, "token from 2001:db8::1": 1, f"token from {STRANGER}": 1}


def test_of_two_headers_the_one_that_the_proxy_added_says_for_whom_it_asks() -> None:
    headers = [(b"x-forwarded-for", b"6.6.6.6"), (b"x-forwarded-for", b"198.51.100.1")]
    asked = Request({"type": "http", "client": ("127.0.0.1", 4242), "headers": headers})
    assert client(asked) == "198.51.100.1"


@pytest.mark.parametrize("value", ["0.0.0.0/0", "::/0", "proxy.example", "10.0.0.5/8", "10.0.0.5;10.0.0.6"])
def test_who_is_trusted_is_an_address_or_a_network_and_never_everybody(value: str) -> None:
    with pytest.raises(WrongSettings, match="FORECOURT_WEB_TRUSTED_PROXY"):
        read({"FORECOURT_WEB_TRUSTED_PROXY": value})
    with pytest.raises(WrongSettings, match="name of a header"):
        read({"FORECOURT_WEB_TRUSTED_PROXY_USER": "X-User: root"})
