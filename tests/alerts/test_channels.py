"""What is told arrives: as a mail in words, as a signed POST, as a file where there is no mail
server.
"""

import hashlib
import hmac
import json
import socket
import threading
import time
from base64 import b64decode, b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import psycopg
import pytest

from forecourt.alerts import content, mail, sending, webhook
from forecourt.alerts.apprise import NotSent
from forecourt.alerts.webhook import NotDelivered
from forecourt.settings import settings
from forecourt.store import alert_messages
from forecourt.store.alerts import Alert
from listener import Listener
from smtp_sink import SmtpSink

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""The one that conftest.py sets."""

NOW = datetime(2026, 11, 24, 2, 30, tzinfo=UTC)
BEGAN = Alert(
    1,
    NOW - timedelta(minutes=2),
    None,
    None,
    True,
    "workers",
    "fail",
    None,
    "0 alive",
    "Start one: forecourt queue work",
)
LATE = Alert(
    2, NOW - timedelta(minutes=1), None, None, True, "queue low", "warn", None, "oldest call waits for 2 min", ""
)
OVER = Alert(3, NOW - timedelta(hours=3), NOW, NOW, True, "disk", "fail", "fail", "3 % free", "Make room.")
TOLD = content.content([LATE, BEGAN], [OVER], 1, NOW)


def test_a_mail_says_what_is_wrong_since_when_and_what_to_do(sink: SmtpSink, tx: psycopg.Connection) -> None:
    [id] = sending.tell(tx, lambda: TOLD, "default")
    assert tx.execute("SELECT job, queue, priority, args FROM forecourt.ready").fetchall() == [
        ("forecourt.send_alert", "default", -100, {"message": id})
    ]
    with tx.transaction():
        assert sending.send(tx, id) is True
    with tx.transaction():
        assert sending.send(tx, id) is False, "once"
    [arrived] = sink.messages
    assert sink.recipients == ["ops@cars.example", "anna@cars.example"]
    assert arrived["Subject"] == "[Forecourt] ✕ workers: 0 alive (and 1 more)"
    lines = arrived.get_content().splitlines()
    assert lines[:3] == ["✕ workers: 0 alive", "  since 02:28 UTC", "  Start one: forecourt queue work"]
    assert "▲ queue low: oldest call waits for 2 min" in lines
    assert "✓ disk is well again, after 3 h 0 min" in lines
    assert "Of what was told, 1 goes on." in lines
    assert lines[-1] == "http://localhost:8000/doctor"
    assert content.subject(content.content([], [OVER], 0, NOW)) == "[Forecourt] ✓ disk is well again"


def test_a_webhook_is_signed_as_standard_webhooks_has_it(listener: Listener, tx: psycopg.Connection) -> None:
    [id] = sending.tell(tx, lambda: TOLD, "default")
    with tx.transaction():
        assert sending.send(tx, id)
    [heard] = listener.heard
    assert (heard.method, heard.path) == ("POST", "/hook?room=night")
    told = json.loads(heard.body)
    assert (told["type"], told["open"]) == ("forecourt.alert", 1)
    assert [(one["check"], one["status"], one["seconds"]) for one in told["began"]] == [
        ("workers", "fail", 120), ("queue low", "warn", 60),
    ]  # fmt: skip
    assert heard.headers["webhook-id"] == f"msg_{id}"
    assert abs(int(heard.headers["webhook-timestamp"]) - time.time()) < 60
    signed = f"msg_{id}.{heard.headers['webhook-timestamp']}.".encode() + heard.body
    mac = hmac.new(b64decode(SECRET.removeprefix("whsec_")), signed, hashlib.sha256).digest()
    assert heard.headers["webhook-signature"] == f"v1,{b64encode(mac).decode()}"
    # The example of the standard's own description.
    example = webhook.signature(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}')
    assert example == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_each_reader_is_told_in_their_language_and_programs_by_the_same_names(
    sink: SmtpSink, listener: Listener, tx: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORECOURT_ALERT_MAIL", "ops@cars.example, omar@cars.example ar, anna@cars.example")
    monkeypatch.setenv("FORECOURT_ALERT_WEBHOOK_LANGUAGE", "ar")
    settings.cache_clear()
    ids = sending.tell(tx, lambda: content.content([LATE, BEGAN], [OVER], 1, NOW), "default")
    for id in ids:
        with tx.transaction():
            assert sending.send(tx, id)
    english, arabic = sink.messages
    assert sink.recipients == ["ops@cars.example", "anna@cars.example", "omar@cars.example"]
    assert (english["Content-Language"], arabic["Content-Language"]) == ("en", "ar")
    assert arabic["Subject"] == "[Forecourt] ✕ العمّال: 0 alive (و1 غيره)"
    assert "▲ الطابور low: oldest call waits for 2 min" in arabic.get_content()
    assert "عاد \u2068القرص\u2069 بخير" in arabic.get_content()
    told = json.loads(listener.heard[0].body)
    assert (told["language"], told["began"][0]["check"]) == ("ar", "workers")
    kept = alert_messages.latest(tx, 10)
    assert [(one.channel, one.told) for one in kept] == [
        ("webhook", [f"127.0.0.1:{listener.url.rpartition(':')[2]}"]),
        ("mail", ["omar@cars.example"]), ("mail", ["ops@cars.example", "anna@cars.example"]),
    ]  # fmt: skip


def test_what_is_not_accepted_stays_unsent_and_its_secret_path_is_not_told(
    listener: Listener, tx: psycopg.Connection
) -> None:
    [id] = sending.tell(tx, lambda: TOLD, "default")
    listener.answers.extend([500, (302, f"{listener.url}/elsewhere"), 404])
    for answer in ("500", "302", "404"):
        with pytest.raises(NotDelivered, match=rf"answered {answer} ") as refused, tx.transaction():
            sending.send(tx, id)
        assert "night" not in str(refused.value)
    assert [heard.path for heard in listener.heard] == ["/hook?room=night"] * 3
    assert alert_messages.is_unsent(tx, id)


def test_what_does_not_speak_http_is_told_without_its_words() -> None:
    def answer() -> None:
        with server.accept()[0] as asked:
            asked.recv(65_536)
            asked.sendall(b"220 hello, /night\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        place = f"127.0.0.1:{server.getsockname()[1]}"
        answering = threading.Thread(target=answer)
        answering.start()
        with pytest.raises(NotDelivered, match=f"^the webhook at {place} does not speak HTTP: BadStatusLine$"):
            webhook.post(f"http://{place}/night", SECRET, "msg_1", TOLD)
        answering.join()


def test_the_begin_of_a_trouble_is_told_by_the_clock_on_the_wall_of_then(
    empty_var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORECOURT_TIMEZONE", "Europe/Berlin")
    settings.cache_clear()
    forward = datetime(2030, 3, 31, 1, 10, tzinfo=UTC)
    began = replace(BEGAN, began_at=forward - timedelta(minutes=20))
    text = content.text(content.content([began], [], 0, forward))
    assert ("since 01:50 CET" in text, "Told at 2030-03-31 03:10:00 CEST" in text) == (True, True)
    settings.cache_clear()


def test_without_a_mail_server_a_mail_is_a_file(
    database: str, tx: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sending.channels() == []
    mail.hand_over(mail.compose(["ops@cars.example"], "No\nroom", "text", key="7", at=NOW))
    [file] = Path(settings().outbox).iterdir()
    assert message_from_bytes(file.read_bytes(), policy=default)["Subject"] == "No room"
    with pytest.raises(ValueError, match="FORECOURT_ALERT_MAIL is not set on this host"), tx.transaction():
        sending.send(tx, alert_messages.enter(tx, "mail", TOLD))


def test_each_address_of_apprise_s_is_told_by_itself_and_its_secret_by_nobody(
    database: str, tx: psycopg.Connection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with Listener() as first, Listener() as second:
        places = [f"json{server.url[4:]}/{name}-s3cret" for server, name in ((first, "one"), (second, "two"))]
        monkeypatch.setenv("FORECOURT_ALERT_APPRISE", " ".join(places))
        settings.cache_clear()
        assert "s3cret" not in repr(settings())
        ids = sending.tell(tx, lambda: TOLD, "default")
        assert [channel.to for channel in sending.channels()] == [["json://…"]] * 2
        second.answers.append(500)
        with tx.transaction():
            assert sending.send(tx, ids[0])
        with pytest.raises(NotSent) as refused, tx.transaction():
            sending.send(tx, ids[1])
        with tx.transaction():
            assert sending.send(tx, ids[1])
        assert (len(first.heard), len(second.heard)) == (1, 2)
        told = json.loads(first.heard[0].body)
        assert (told["title"], told["type"]) == ("[Forecourt] ✕ workers: 0 alive (and 1 more)", "failure")
        assert told["message"].startswith("✕ workers: 0 alive\n")
        assert "json://… did not take it: " in str(refused.value)
        stored = str(tx.execute("SELECT channel, told, error FROM forecourt.alert_messages").fetchall())
        assert "s3cret" not in str(refused.value) + caplog.text + stored
    monkeypatch.delenv("FORECOURT_ALERT_APPRISE")
    settings.cache_clear()
    with pytest.raises(ValueError, match="FORECOURT_ALERT_APPRISE is not set on this host"), tx.transaction():
        sending.send(tx, alert_messages.enter(tx, "apprise 0123456789abcdef", TOLD))
