"""What holds for every route, page or API, well or refused: its headers, the methods that it takes,
the names it answers to.
"""

import re

import httpx
import psycopg

from forecourt.web import health
from forecourt.web.headers import ALWAYS
from forecourt.web.table import RULES
from serving import OURS

PROBES = {route.path for route in health.ROUTES}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")
EVIL = ("evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "[::1].evil.example", "")


def a_path(rule: str) -> str:
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: {"name": "high", "id": "7"}.get(found[1], "heartbeat"), rule)


PATHS = {a_path(rule.path): {one.method for one in RULES if one.path == rule.path} for rule in RULES}
"""Every path of the table, and its methods."""

OPEN = {a_path(rule.path) for rule in RULES if rule.role is None}
"""For everybody: to sign in, to hand events in from a page, what bears a signature of ours. They
have tests of their own.
"""


def safe(answer: httpx.Response) -> bool:
    return all(answer.headers.get(name) == value for name, value in ALWAYS.items()) and (
        "no-store" in answer.headers["cache-control"] or "/static/" in str(answer.url)
    )


def test_every_answer_says_what_may_run_in_it_and_that_nobody_keeps_it(
    pages: httpx.Client, scene: dict[str, int]
) -> None:
    for path, methods in PATHS.items():
        for method in sorted(methods):
            answer = pages.request(method, path, headers=OURS)
            assert safe(answer), (method, path, answer.headers)
            assert "access-control-allow-origin" not in answer.headers, path
    for path in ("/nothing", "/api/v1/nothing", "/calls/0", "/api/v1/calls?x=1", "/calls?state=lost"):
        assert safe(pages.get(path)), path
    for headers in ({}, {"host": "evil.example"}, {"authorization": "Bearer wrong"}):
        assert safe(pages.post("/queues/pause", headers=headers)), headers


def test_no_route_takes_a_method_that_is_not_its_own(pages: httpx.Client, tx: psycopg.Connection) -> None:
    for path, methods in PATHS.items():
        own = methods | ({"HEAD"} if "GET" in methods else set())
        for method in METHODS:
            if method not in own:
                answer = pages.request(method, path, headers=OURS, follow_redirects=False)
                # To look at /schedule/trigger might mean the task of that name, or a call.
                # A method that HTTP does not know is refused before any route is asked.
                others = (404, 422) if method in ("GET", "HEAD") else (400,) if method == "BREW" else ()
                assert answer.status_code in (405, *others), (method, path, answer.status_code)
                if path.startswith("/api/") and method not in ("HEAD", "BREW"):
                    assert answer.json()["status"] == answer.status_code
        if "GET" in methods and path not in PROBES:
            head = pages.head(path, follow_redirects=False)
            assert (head.content, head.status_code) == (b"", pages.get(path, follow_redirects=False).status_code), path
    assert tx.execute("SELECT count(*) FROM forecourt.audit").fetchone() == (0,)


def test_no_route_answers_to_a_name_that_is_not_ours(pages: httpx.Client, tx: psycopg.Connection) -> None:
    for path, methods in PATHS.items():
        for method in sorted(methods - ({"GET"} if path in PROBES else set())):
            for host in EVIL:
                answer = pages.request(method, path, headers=OURS | {"host": host, "origin": f"http://{host}"})
                assert answer.status_code == 403 or (host == "" and answer.status_code == 400), (method, path, host)
    assert tx.execute("SELECT count(*) FROM forecourt.audit").fetchone() == (0,)


WHERE = (
    {}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"sec-fetch-site": "none"}, {"sec-fetch-site": ""},
    {"origin": "http://evil.example"}, {"origin": "null"}, {"origin": "http://localhost.evil.example"},
    {"sec-fetch-site": "cross-site", "origin": "http://localhost"}, {"authorization": "Basic YTpi"}, {"authorization": "Bearer"},
    {"cookie": "forecourt_session=x", "authorization": "Bearer wrong"},
)  # fmt: skip
"""Where a request may pretend to come from, and with what. None of it is ours."""


def test_nothing_is_changed_from_anywhere_else(pages: httpx.Client, tx: psycopg.Connection) -> None:
    for path, methods in PATHS.items():
        if "POST" in methods and path not in OPEN:
            for headers in WHERE:
                answer = pages.post(
                    path, content=b'{"queue": "high"}', headers=headers | {"content-type": "application/json"}
                )
                assert answer.status_code in (401, 403, 429), (path, headers, answer.status_code)
    assert tx.execute("SELECT count(*) FROM forecourt.audit").fetchone() == (0,)
