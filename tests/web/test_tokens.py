"""Programs ask with a token: what it is good for, what is kept of it, and what becomes of wrong
ones.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import psycopg
import pytest
from click.testing import CliRunner

from forecourt.cli import forecourt
from forecourt.operations import people, tokens
from forecourt.store import tokens as store
from forecourt.web import access, words
from forecourt.web.people import Role, Scope, program
from forecourt.web.table import RULES
from serving import OURS

PASSWORD = "correct horse battery"


@pytest.fixture
def programs(pages: httpx.Client) -> Iterator[httpx.Client]:
    """A program before the server: it wants JSON."""
    access._remembered.clear()
    pages.headers["accept"] = "application/json"
    yield pages
    access._remembered.clear()


def token(tx: psycopg.Connection, name: str, *scopes: str) -> dict[str, str]:
    """The header of a new token with these scopes."""
    return {"authorization": f"Bearer {tokens.add(tx, name, scopes, who='the test')[0]}"}


def a_path(rule: str) -> str:
    return re.sub(r"\{(\w+):\w+\}", lambda found: {"name": "high", "id": "7"}.get(found[1], "heartbeat"), rule)


SCOPES: list[tuple[list[str], int]] = [
    (["read"], 1), (["operate"], 2), (["admin"], 3), (["events"], 0), (["photos"], 0), (["events", "read"], 1)
]  # fmt: skip
"""What a token may have, and the highest role that this stands for."""


def test_each_scope_opens_what_its_role_may_and_nothing_more(programs: httpx.Client, tx: psycopg.Connection) -> None:
    for scopes, role in SCOPES:
        bearer = token(tx, "-".join(scopes), *scopes)
        for rule in RULES:
            if rule.role is None or rule.path == "/logout":
                continue
            answer = programs.request(rule.method, a_path(rule.path), headers=bearer, follow_redirects=False)
            allowed = rule.role <= role or (rule.scope is not None and rule.scope in scopes)
            refused = answer.status_code == 403 and "this needs" in answer.text
            assert refused is not allowed, (scopes, rule.method, rule.path, answer.status_code, answer.text)
            assert not refused or 'error="insufficient_scope"' in answer.headers["www-authenticate"]


def test_a_scope_of_its_own_opens_one_thing() -> None:
    robot = program("robot", ["events"])
    assert robot.may(Role.ADMIN, Scope.EVENTS)
    assert not robot.may(Role.VIEWER)
    assert not robot.may(Role.ADMIN, Scope.PHOTOS)
    assert program("root", ["admin"]).may(Role.ADMIN, Scope.PHOTOS)


def test_a_token_needs_no_origin_counts_no_cookie_and_is_named_in_the_audit(
    programs: httpx.Client, tx: psycopg.Connection
) -> None:
    bearer, reader = token(tx, "robot", "operate"), token(tx, "reader", "read")
    for headers in ({}, {"sec-fetch-site": "cross-site"}, {"origin": "http://evil.example"}):
        answer = programs.post(
            "/queues/pause", data={"queue": "high"}, headers=bearer | headers, follow_redirects=False
        )
        assert answer.status_code == 303, answer.text
    assert tx.execute("SELECT who FROM forecourt.pauses").fetchall() == [("robot (token)",)]
    people.add(tx, "anna", "admin", PASSWORD, who="the test")
    access._remembered.clear()
    programs.post("/login", data={"name": "anna", "password": PASSWORD}, headers=OURS)
    assert programs.get("/audit").status_code == 200, "anna is signed in"
    session = {"authorization": f"Bearer {programs.cookies[access.COOKIE]}"}
    assert programs.get("/audit", headers=session).status_code == 401, "a session is no token"
    answer = programs.post("/queues/pause", data={"queue": "low"}, headers=reader, follow_redirects=False)
    assert answer.status_code == 403, "what anna may counts for nothing beside a token"
    assert programs.get("/", headers={"authorization": "Bearer x"}).status_code == 401


def test_the_audit_tells_lists_and_instants_as_people_do() -> None:
    now = datetime(2026, 11, 27, 23, tzinfo=UTC)
    assert words.shown(["events", "photos"], now) == "events, photos"
    assert words.shown("2026-11-27T23:18:15.400271+00:00", now) == "23:18:15"
    assert words.shown("2026-11-28T23:18:15+00:00", now) == "28 Nov 23:18"
    assert words.shown(["20261127", 7, {"by": "id"}], now) == '20261127, 7, {"by": "id"}'


def test_only_a_digest_of_a_token_is_kept_and_it_ends_by_itself_or_when_it_is_removed(
    programs: httpx.Client, tx: psycopg.Connection
) -> None:
    bearer = token(tx, "robot", "read")
    text = bearer["authorization"].removeprefix("Bearer ")
    row = tx.execute("SELECT t::text FROM forecourt.tokens AS t").fetchone()
    assert row is not None
    assert text not in row[0]
    assert text not in str(tx.execute("SELECT target FROM forecourt.audit").fetchall())
    assert programs.get("/queues", headers=bearer).status_code == 200
    [kept] = store.listed(tx)
    assert kept.used_at is not None
    assert "digest" not in dir(kept)
    tx.execute("UPDATE forecourt.tokens SET ends_at = now()")
    access._remembered.clear()
    assert programs.get("/queues", headers=bearer).status_code == 401
    tx.execute("UPDATE forecourt.tokens SET ends_at = NULL")
    access._remembered.clear()
    assert programs.get("/queues", headers=bearer).status_code == 200
    assert tokens.remove(tx, "robot", who="the test")
    access._remembered.clear()
    refused = programs.get("/queues", headers=bearer)
    assert refused.status_code == 401
    assert 'error="invalid_token"' in refused.headers["www-authenticate"]


def test_wrong_tokens_are_slowed_and_a_right_one_from_the_same_address_is_not(
    programs: httpx.Client, tx: psycopg.Connection
) -> None:
    codes = [programs.get("/queues", headers={"authorization": f"Bearer {n}"}).status_code for n in range(200)]
    assert codes == [401] * 30 + [429] * 170
    late = programs.get("/queues", headers={"authorization": "Bearer again"})
    assert 0 < int(late.headers["retry-after"]) <= 300
    assert programs.get("/queues", headers=token(tx, "robot", "read")).status_code == 200


def test_tokens_are_added_listed_and_removed_by_commands(database: str, tx: psycopg.Connection) -> None:
    def run(*arguments: str) -> tuple[int, str, str]:
        done = CliRunner().invoke(forecourt, ["web", "token", *arguments])
        return done.exit_code, done.stdout, done.stderr or str(done.exception)

    code, text, words = run("add", "robot", "--scope", "events", "--scope", "read", "--days", "90")
    assert (code, text.startswith("forecourt_"), len(text.splitlines())) == (0, True, 1)
    assert words.startswith("robot may read, events until ")
    assert text.strip() not in run("list")[1] + run("list", "--json")[1]
    assert "read, events" in run("list")[1]
    assert "there is a token named 'robot': remove it first" in run("add", "robot")[2]
    assert "cannot be a name" in run("add", "Omar Sharif")[2]
    assert run("add", "x", "--scope", "everything")[0] == 2
    assert run("remove", "robot") == (0, "robot is good for nothing any more.\n", "None")
    assert "no token is named 'robot'" in run("remove", "robot")[2]
    with pytest.raises(ValueError, match="'all' is not one of read, operate"):
        tokens.add(tx, "x", ["all"], who="the test")
    assert [row[0] for row in tx.execute("SELECT action FROM forecourt.audit ORDER BY id")] == [
        "web token add",
        "web token remove",
    ]
