"""Promises of Web Push: only the browser can read what its service is handed, the service knows
that it is us, and what is over is asked no more.
"""

import json
import sys
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import httpx
import psycopg
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from showroom import calls, told, user
from sqlalchemy import text
from sqlalchemy.orm import Session
from test_commands import audited, run, said

from forecourt import Release
from forecourt.database import engine, in_transaction_of
from forecourt.marketplace import push_messages
from forecourt.marketplace.business_changes import change
from forecourt.marketplace.notice_preferences import prefer, wish
from forecourt.marketplace.posting import WebhookRefused
from forecourt.marketplace.push import PushDelayed, PushRefused, make_keys, push_notice, subscribe, unsubscribe
from forecourt.operations import tokens
from forecourt.settings import settings
from listener import Listener
from serving import served


def written(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def read(data: str) -> bytes:
    return urlsafe_b64decode(data + "=" * (-len(data) % 4))


def point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


class Browser:
    """Subscribes, and reads what it is sent as RFC 8291 says, without the library that wrote it."""

    def __init__(self, service: str, name: str) -> None:
        self.endpoint = f"{service}/{name}"
        self.secret = name.encode().ljust(16, b"-")
        self.pair = ec.generate_private_key(ec.SECP256R1())

    @property
    def subscription(self) -> dict[str, Any]:
        keys = {"p256dh": written(point(self.pair.public_key())), "auth": written(self.secret)}
        return {"endpoint": self.endpoint, "expirationTime": None, "keys": keys}

    def open(self, body: bytes) -> dict[str, Any]:
        salt, size, length = body[:16], int.from_bytes(body[16:20]), body[20]
        theirs, sealed = body[21 : 21 + length], body[21 + length :]
        assert len(sealed) <= size <= 4096
        shared = self.pair.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), theirs))
        both = b"WebPush: info\0" + point(self.pair.public_key()) + theirs
        key = HKDF(hashes.SHA256(), 32, self.secret, both).derive(shared)
        content, nonce = (
            HKDF(hashes.SHA256(), size, salt, f"Content-Encoding: {name}\0".encode()).derive(key)
            for size, name in ((16, "aes128gcm"), (12, "nonce"))
        )
        plain = AESGCM(content).decrypt(nonce, sealed, None)
        assert plain[-1:] == b"\2"
        found: dict[str, Any] = json.loads(plain[:-1])
        return found


def claims(authorization: str, public: str) -> dict[str, Any]:
    """What our word to the service says, once its signature was found right."""
    scheme, _, rest = authorization.partition(" ")
    given = dict(part.strip().split("=", 1) for part in rest.split(","))
    assert (scheme, given["k"]) == ("vapid", public)
    signed, _, signature = given["t"].rpartition(".")
    r, s = (int.from_bytes(half) for half in (read(signature)[:32], read(signature)[32:]))
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), read(public))
    key.verify(encode_dss_signature(r, s), signed.encode(), ec.ECDSA(hashes.SHA256()))
    assert json.loads(read(signed.split(".")[0]))["alg"] == "ES256"
    found: dict[str, Any] = json.loads(read(signed.split(".")[1]))
    return found


def attempt(call: dict[str, Any]) -> dict[str, int]:
    with Session(engine()) as own, own.begin():
        return push_notice(**call, session=own)


def log(session: Session) -> list[tuple[str, str | None]]:
    session.rollback()
    rows = session.execute(text("SELECT outcome, detail FROM notice_deliveries WHERE channel = 'push' ORDER BY id"))
    return [tuple(row) for row in rows]


def test_a_notice_is_shown_in_each_browser_sealed_for_it_alone_and_signed_by_us(
    session: Session, service: Listener
) -> None:
    tx = in_transaction_of(session)
    public, made = make_keys(tx)
    assert (make_keys(tx), made) == ((public, False), True)
    sami, nour = user(session, "Sami", locale="ar"), user(session, "Nour")
    phone, desk = Browser(service.url, "phone"), Browser(service.url, "desk")
    for browser in (phone, desk):
        assert subscribe(tx, sami.id, browser.subscription)
    notice = told(session, owner=sami, title="كيا", slug="kia")
    told(session, owner=nour)
    waiting = calls(session, "push_notice")
    assert [call["notification_id"] for call in waiting] == [notice.id.hex] * 2
    assert [attempt(call) for call in waiting] == [{"pushed": 1}] * 2
    for browser, heard in zip((phone, desk), service.heard, strict=True):
        shown = browser.open(heard.body)
        assert (heard.path, shown["id"], shown["kind"]) == (
            f"/{browser.endpoint.rpartition('/')[2]}", str(notice.id), "sponsorship_expired",
        )  # fmt: skip
        assert "كيا" in shown["body"]
        assert (shown["language"], shown["direction"]) == ("ar", "rtl")
        assert shown["link"] == "http://localhost:8000/car-listings/kia/renew"
        assert (heard.headers["content-encoding"], heard.headers["topic"]) == ("aes128gcm", notice.id.hex)
        assert 86_000 < int(heard.headers["ttl"]) <= 86_400
        word = claims(heard.headers["authorization"], public)
        assert (word["aud"], word["sub"]) == (service.url, "mailto:no-reply@localhost")
        assert 0 < word["exp"] - time.time() <= 24 * 3600
    with pytest.raises(InvalidTag):
        desk.open(service.heard[0].body)
    assert log(session) == [("pushed", None)] * 2


def test_a_subscription_that_is_over_is_removed_and_a_service_that_is_busy_is_asked_again(
    session: Session, service: Listener
) -> None:
    tx = in_transaction_of(session)
    make_keys(tx)
    sami = user(session, "Sami")
    for name in ("phone", "desk"):
        subscribe(tx, sami.id, Browser(service.url, name).subscription)
    told(session, owner=sami)
    first, second = calls(session, "push_notice")
    service.answers.extend([500, 429, (429, {"Retry-After": "90"}), 413, 410, 404])
    for status in (500, 429):
        with pytest.raises(PushDelayed, match=f"answered {status}"):
            attempt(first)
    with pytest.raises(Release) as released:
        attempt(first)
    assert released.value.delay == 90
    with pytest.raises(PushRefused, match="answered 413"):
        attempt(first)
    assert [attempt(first), attempt(first), attempt(second)] == [{"gone": 1}, {"no_subscription": 1}, {"gone": 1}]
    assert [outcome for outcome, _ in log(session)] == ["put off", "put off", "put off", "refused", "gone", "gone"]
    assert session.scalar(text("SELECT count(*) FROM push_subscriptions")) == 0
    assert "PushRefused" in str(push_notice.policy.fail_on)
    assert not any(service.url in (detail or "") for _, detail in log(session)), (
        "an endpoint is a secret of its browser"
    )


def test_nothing_is_shown_that_is_not_wanted_not_true_read_or_old_and_nothing_by_night(
    session: Session, service: Listener
) -> None:
    tx = in_transaction_of(session)
    make_keys(tx)
    sami = user(session, "Sami")
    subscribe(tx, sami.id, Browser(service.url, "phone").subscription)
    prefer(tx, sami.id, "sponsorship_expired", "digest")
    prefer(tx, sami.id, "sponsorship_expired", "never", "push")
    assert [wish(tx, sami.id, "sponsorship_expired", channel) for channel in ("mail", "push", "apprise")] == [
        "digest", "never", "now",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="'digest' is not one of now, never, which is what there is by push"):
        prefer(tx, sami.id, "*", "digest", "push")
    told(session, owner=sami)
    [call] = calls(session, "push_notice")
    assert attempt(call) == {"suppressed": 1}
    prefer(in_transaction_of(session), sami.id, "sponsorship_expired", "now", "push")
    change(in_transaction_of(session), "quiet_hours", "00:00-23:59", who="a test")
    change(in_transaction_of(session), "quiet_hours", "23:59-23:58", who="a test")
    session.commit()
    with pytest.raises(Release, match="quiet hours of the reader"):
        attempt(call)
    session.execute(text("UPDATE notifications SET created_at = now() - interval '25 hours'"))
    session.commit()
    assert attempt(call) == {"suppressed": 1}
    session.execute(text("UPDATE notifications SET created_at = now(), read_at = now()"))
    session.commit()
    assert attempt(call) == {"suppressed": 1}
    session.execute(text("UPDATE notifications SET read_at = NULL"))
    session.execute(text("UPDATE car_listings SET deleted_at = now()"))
    session.commit()
    assert attempt(call) == {"suppressed": 1}
    assert [why for _, why in log(session)] == [
        "the user wants nothing of this kind by push", "it is older than a day", "it was read in the app",
        "the listing is sponsored again, or gone",
    ]  # fmt: skip
    assert service.heard == []


def test_who_takes_a_browser_over_is_told_in_it_alone_and_the_newest_twenty_of_a_user_count(
    session: Session, service: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    tx = in_transaction_of(session)
    sami, nour = user(session, "Sami"), user(session, "Nour")
    phone = Browser(service.url, "phone")
    assert subscribe(tx, sami.id, phone.subscription) == subscribe(tx, nour.id, phone.subscription)
    assert session.scalars(text("SELECT user_id FROM push_subscriptions")).all() == [nour.id]
    assert subscribe(tx, 404, phone.subscription) is None
    for number in range(22):
        subscribe(tx, sami.id, Browser(service.url, f"b{number}").subscription)
    kept = text("SELECT split_part(endpoint, '/b', 2)::int FROM push_subscriptions WHERE user_id = :id ORDER BY id")
    assert session.scalars(kept, {"id": sami.id}).all() == list(range(2, 22))
    assert [unsubscribe(tx, phone.endpoint), unsubscribe(tx, phone.endpoint)] == [True, False]
    for broken in ({"p256dh": "short"}, {"auth": "short"}):
        with pytest.raises(psycopg.errors.CheckViolation), tx.transaction():
            subscribe(tx, sami.id, phone.subscription | {"keys": phone.subscription["keys"] | broken})
    monkeypatch.setenv("FORECOURT_ENVIRONMENT", "production")
    settings.cache_clear()
    with pytest.raises(WebhookRefused):
        subscribe(tx, sami.id, phone.subscription)


def test_a_program_with_the_scope_hands_browsers_in_and_takes_them_back(
    session: Session, service: Listener, database: str
) -> None:
    sami, phone = user(session, "Sami"), Browser(service.url, "phone")
    session.commit()
    with psycopg.connect(database, autocommit=True) as tx:
        good, bad = (tokens.add(tx, scope, [scope], who="the test")[0] for scope in ("push", "photos"))
    path = "/api/v1/push/subscriptions"

    def asked(method: str, body: Any, token: str = good) -> httpx.Response:
        return client.request(method, path, json=body, headers={"authorization": f"Bearer {token}"})

    with served() as address, httpx.Client(base_url=address) as client:
        body = {"user_id": sami.id, "subscription": phone.subscription}
        refused = asked("POST", body, bad)
        assert (refused.status_code, "needs push" in refused.json()["detail"]) == (403, True)
        added = asked("POST", body)
        assert (added.status_code, added.json()["status"]) == (201, "ok")
        assert asked("POST", body).json()["id"] == added.json()["id"]
        assert asked("POST", body | {"user_id": 404}).status_code == 404
        for wrong, named in (
            ({}, "user_id"), (body | {"user_id": "1"}, "user_id"), (body | {"more": 1}, "more"),
            (body | {"subscription": phone.subscription | {"endpoint": "ftp://x"}}, "subscription.endpoint"),
            (body | {"subscription": phone.subscription | {"endpoint": "http://[/"}}, "subscription.endpoint"),
            (body | {"subscription": {"endpoint": phone.endpoint}}, "subscription.keys"),
        ):  # fmt: skip
            answer = asked("POST", wrong)
            assert (answer.status_code, answer.json()["detail"].partition(":")[0]) == (422, named)
        assert asked("POST", {"user_id": "x" * 20_000}).status_code == 413
        assert asked("DELETE", {"endpoint": phone.endpoint}).json() == {"status": "ok", "removed": True}
        assert asked("DELETE", {"endpoint": phone.endpoint}).json() == {"status": "ok", "removed": False}


def test_the_keys_are_made_once_by_a_command_which_says_what_to_install_where_it_cannot(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as lacking:
        lacking.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric", None)
        assert "pip install 'forecourt[push]'" in str(run("notices", "push", "keys", code=1).exception)
    first = said(run("notices", "push", "keys", "--json"))
    assert (first["made"], len(read(first["public_key"]))) == (True, 65)
    assert run("notices", "push", "keys").stdout.strip() == first["public_key"]
    assert audited(session) == [("notices push keys", None)]
    private = session.scalar(text("SELECT private_key FROM push_keys"))
    assert len(read(str(private))) == 32
    monkeypatch.setenv("FORECOURT_BASE_URL", "https://cars.example/shop")
    settings.cache_clear()
    word = claims(push_messages.our_word("https://push.example/x", str(private)), first["public_key"])
    assert (word["aud"], word["sub"]) == ("https://push.example", "https://cars.example")
    sami = user(session, "Sami")
    session.commit()
    run("notices", "prefer", sami.id, "*", "never", "--by", "push")
    assert said(run("notices", "prefer", sami.id, "--by", "push", "--json")) == {"*": "never"}
    assert said(run("notices", "prefer", sami.id, "--json")) == {}
    run("notices", "prefer", sami.id, "*", "digest", "--by", "push", code=2)
