"""POST /api/v1/events: who may send, what is refused and why, and that whoever is answered knows
that it is committed.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from logging import DEBUG
from typing import Any

import httpx
import psycopg
import pytest

from forecourt.operations import people, tokens
from forecourt.settings import settings
from forecourt.web import access, visitor_rate

PATH = "/api/v1/events"
PHONE = "Mozilla/5.0 (Linux; Android 14; SM-A155F) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36"
SITE = "https://cars.example"


@pytest.fixture
def marketplace(tx: psycopg.Connection) -> dict[str, Any]:
    """A listing, somebody who could sign in, and a token that may send events."""
    access._remembered.clear()
    people.add(tx, "anna", "admin", "correct horse battery", who="the test")
    shown, _ = tokens.add(tx, "shop", ["events"], who="the test")
    tx.execute("INSERT INTO users (name) VALUES ('Sami')")
    tx.execute("INSERT INTO car_listings (owner_id, title, slug) SELECT id, 'Kia', 'kia' FROM users")
    [(listing,)] = tx.execute("SELECT id FROM car_listings").fetchall()
    return {"id": listing, "token": shown, "view": {"listing_id": listing, "type": "view"}}


@pytest.fixture
def site(marketplace: dict[str, Any], pages: httpx.Client) -> Iterator[httpx.Client]:
    """The marketplace's own server: it sends a token, and no headers of a browser."""
    pages.headers = httpx.Headers(
        {"authorization": f"Bearer {marketplace['token']}", "host": pages.base_url.netloc.decode()}
    )
    yield pages
    access._remembered.clear()


def kept(tx: psycopg.Connection) -> list[tuple[str, str | None]]:
    return tx.execute("SELECT event_type, host(user_ip) FROM car_listing_analytics ORDER BY id").fetchall()


def test_a_server_sends_one_or_many_and_names_the_visitors(
    site: httpx.Client, marketplace: dict[str, Any], tx: psycopg.Connection
) -> None:
    view = marketplace["view"] | {"ip": "203.0.113.7", "user_agent": PHONE}
    assert site.post(PATH, json=view).json() == {"status": "ok", "recorded": 1, "bots": 0, "unknown": 0, "limited": 0}
    as_curl_says = {"content-type": "application/x-www-form-urlencoded"}
    assert (
        site.post(PATH, content=json.dumps(view | {"type": "favorite"}), headers=as_curl_says).json()["recorded"] == 1
    )
    many = [view | {"type": "share"}, view | {"user_agent": "WhatsApp/2.24 A"}, view | {"listing_id": 999}]
    assert site.post(PATH, json=many).json() | {"status": ""} == {
        "status": "", "recorded": 2, "bots": 1, "unknown": 1, "limited": 0,
    }  # fmt: skip
    assert kept(tx) == [
        ("view", "203.0.113.0"),
        ("favorite", "203.0.113.0"),
        ("share", "203.0.113.0"),
        ("bot", "203.0.113.0"),
    ]
    unknown = site.post(PATH, json=marketplace["view"] | {"ip": None, "user_agent": None})
    assert unknown.json()["bots"] == 0
    own = site.post(PATH, json=marketplace["view"], headers={"user-agent": "python-requests/2.32"})
    assert own.json()["bots"] == 1  # what is left out is the request's own


def test_a_page_sends_by_fetch_or_beacon_from_a_site_on_the_list_and_names_nobody(
    site: httpx.Client, marketplace: dict[str, Any], tx: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORECOURT_EVENT_ORIGINS", SITE)
    settings.cache_clear()
    page = {"origin": SITE, "user-agent": PHONE, "sec-fetch-site": "cross-site"}
    asked = site.options(PATH, headers=page | {"access-control-request-method": "POST"})
    assert asked.headers["access-control-allow-origin"] == SITE
    assert "idempotency-key" in asked.headers["access-control-allow-headers"]
    sent = site.post(PATH, json=marketplace["view"], headers=page)
    assert (sent.json()["recorded"], sent.headers["access-control-allow-origin"]) == (1, SITE)

    del site.headers["authorization"]
    beacon = json.dumps({"token": marketplace["token"], "events": [marketplace["view"] | {"type": "contact_phone"}]})
    as_text = {"content-type": "text/plain;charset=UTF-8"}
    assert site.post(PATH, content=beacon, headers=page | as_text).json()["recorded"] == 1
    form = {"token": marketplace["token"], "listing_id": marketplace["id"], "type": "favorite"}
    assert site.post(PATH, data=form, headers=page).json()["recorded"] == 1
    assert [kind for kind, _ in kept(tx)] == ["view", "contact_phone", "favorite"]

    behind_a_proxy = page | {"x-forwarded-for": "6.6.6.6, 198.51.100.9"}
    assert site.post(PATH, data=form, headers=behind_a_proxy).json()["recorded"] == 1
    assert kept(tx)[-1] == ("favorite", "198.51.100.0")
    assert site.post(PATH, data=form, headers=page | {"x-forwarded-for": "unknown"}).json()["recorded"] == 1
    assert kept(tx)[-1] == ("favorite", None)

    named = site.post(PATH, data=form | {"ip": "203.0.113.7"}, headers=page)
    assert (named.status_code, named.json()["detail"]) == (
        422,
        "events[0].ip: a page does not name its visitor; leave it out",
    )
    assert named.headers["access-control-allow-origin"] == SITE  # or the page could not read why
    stranger = site.post(PATH, data=form, headers=page | {"origin": "https://evil.example"})
    assert (stranger.status_code, "FORECOURT_EVENT_ORIGINS" in stranger.text) == (403, True)
    assert "access-control-allow-origin" not in stranger.headers
    assert len(kept(tx)) == 5


def test_only_a_token_with_the_scope_lets_in_and_a_cookie_never(
    site: httpx.Client, marketplace: dict[str, Any], tx: psycopg.Connection
) -> None:
    reader, _ = tokens.add(tx, "reader", ["read"], who="the test")
    refused = site.post(PATH, json=marketplace["view"], headers={"authorization": f"Bearer {reader}"})
    assert (refused.status_code, "needs the scope events" in refused.text) == (403, True)
    del site.headers["authorization"]
    assert site.post(PATH, json=marketplace["view"]).status_code == 401
    assert site.post(PATH, json={"token": "wrong", "events": [marketplace["view"]]}).status_code == 401
    own = {"sec-fetch-site": "same-origin"}
    site.post("/login", data={"name": "anna", "password": "correct horse battery"}, headers=own)
    assert access.COOKIE in site.cookies
    assert site.post(PATH, json=marketplace["view"], headers=own).status_code == 401
    assert kept(tx) == []


WRONG: list[tuple[Any, str]] = [
    (b"{", "the body is not JSON"),
    (b"[]", "there are no events"),
    (b'"view"', "there are no events"),
    ({"events": "all"}, "there are no events"),
    ([{"listing_id": 1}], "events[0].type: field required"),
    ([{"listing_id": 0, "type": "view"}], "events[0].listing_id: input should be greater"),
    ([{"listing_id": 1, "type": "viewed"}], "events[0].type: input should be 'view', 'contact_phone'"),
    ([{"listing_id": 1, "type": "view"}, {"listing_id": 1, "type": "view", "ip": "here"}], "events[1].ip: "),
    ([{"listing_id": 1, "type": "view", "colour": "red"}], "events[0].colour: "),
    ([{"listing_id": 1, "type": "view", "at": "2026-11-27 13:00"}], "events[0].at: "),
    ([{"listing_id": 1, "type": "view", "at": "2001-01-01T00:00:00Z"}], "cannot be recorded"),
    ([{"listing_id": 1, "type": "view", "user_agent": "a\x00b"}], "events[0].user_agent: value error, there is a NUL"),
    ([{"listing_id": 1, "type": "view"}] * 1001, "1001 events; at most 1000 a request"),
    ({"listing_id": 1, "type": "view", "token": 7}, "token must be a text"),
    ({"listing_id": 1, "type": "view", "idempotency_key": 7}, "idempotency_key must be a text"),
    ({"listing_id": 1, "type": "view", "idempotency_key": ""}, "an idempotency key has 1 to 200"),
]


def test_what_will_not_do_is_named_and_nothing_is_recorded(site: httpx.Client, tx: psycopg.Connection) -> None:
    for body, words in WRONG:
        sent = site.post(PATH, content=body) if isinstance(body, bytes) else site.post(PATH, json=body)
        assert (sent.status_code, words in sent.json()["detail"]) == (422, True), (body, sent.text)
        assert sent.headers["content-type"] == "application/problem+json"
    long = site.post(PATH, content=b" " * (513 * 1024))
    assert (long.status_code, "more than 512 KB" in long.text) == (413, True)
    assert kept(tx) == []


def test_a_request_that_is_sent_again_is_answered_as_before_and_recorded_once(
    site: httpx.Client, marketplace: dict[str, Any], tx: psycopg.Connection
) -> None:
    with ThreadPoolExecutor(8) as pool:
        sent = pool.map(
            lambda _: site.post(PATH, json=marketplace["view"], headers={"idempotency-key": "one"}).json(), range(16)
        )
        assert [answer["recorded"] for answer in sent] == [1] * 16
    assert len(kept(tx)) == 1
    other, _ = tokens.add(tx, "other", ["events"], who="the test")
    site.post(PATH, json=marketplace["view"], headers={"idempotency-key": "one", "authorization": f"Bearer {other}"})
    assert len(kept(tx)) == 2  # another's key is another
    tx.execute("UPDATE event_requests SET asked_at = now() - interval '25 hours'")
    tx.commit()
    again = {"headers": {"idempotency-key": "one"}}
    assert site.post(PATH, json=marketplace["view"], **again).json()["recorded"] == 1
    assert len(kept(tx)) == 3, "a day later the key is new, whether it was forgotten already or not"
    site.post(PATH, json=marketplace["view"], **again)
    assert len(kept(tx)) == 3


def test_a_visitor_who_sends_too_many_is_held_up_and_no_other(
    site: httpx.Client, marketplace: dict[str, Any], tx: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visitor_rate, "A_MINUTE", 3)
    monkeypatch.setattr(visitor_rate, "monotonic", lambda: 7.0)
    one, other = (marketplace["view"] | {"ip": ip} for ip in ("198.51.100.1", "198.51.100.2"))
    assert site.post(PATH, json=[one] * 5 + [other]).json()["limited"] == 2
    held = site.post(PATH, json=one)
    assert (held.status_code, held.headers["retry-after"]) == (429, "60")
    assert site.post(PATH, json=other).status_code == 200
    assert len(kept(tx)) == 5
    as_ipv6 = [marketplace["view"] | {"ip": f"::ffff:198.51.100.{n}"} for n in range(11, 17)]
    assert site.post(PATH, json=as_ipv6).json()["limited"] == 0, "six visitors"
    assert {address for _, address in kept(tx)} == {"198.51.100.0"}
    assert site.post(PATH, json=marketplace["view"] | {"ip": "fe80::1%eth0"}).json()["recorded"] == 1, "a link's own"


def test_no_address_is_ever_in_our_log(
    site: httpx.Client, marketplace: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(DEBUG)
    secret = {"ip": "203.0.113.77", "user_agent": PHONE}
    site.post(PATH, json=marketplace["view"] | secret)
    site.post(PATH, json=[marketplace["view"] | secret | {"at": "2001-01-01T00:00:00Z"}])
    site.post(PATH, json=[marketplace["view"] | secret | {"type": "none"}])
    assert "203.0.113.77" not in caplog.text


def test_shortly_before_a_token_is_looked_up_again_one_request_does_it_and_the_others_go_on(
    site: httpx.Client, marketplace: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    token = marketplace["token"]
    assert site.post(PATH, json=marketplace["view"]).status_code == 200
    remembered = access.at_hand_of(token)
    assert remembered is not None
    monkeypatch.setattr(access, "AHEAD", access.REMEMBERED + 1)
    assert access.at_hand_of(token) is None, "this one looks it up"
    assert [access.at_hand_of(token) for _ in range(3)] == [remembered] * 3
    access._renewed.clear()
    ends = {key: ends for key, (ends, _) in access._remembered.items()}
    assert site.post(PATH, json=marketplace["view"]).status_code == 200
    later = {key: ends for key, (ends, _) in access._remembered.items()}
    assert any(later[key] > ends[key] for key in ends), "the answer is remembered anew, not the old one for longer"
    assert access._renewed == set()
