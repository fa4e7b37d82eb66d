"""Promises of webhooks: each notice is posted, signed, to public addresses only, and again until
somebody takes it.
"""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from showroom import calls, told, user
from sqlalchemy import text
from sqlalchemy.orm import Session
from test_commands import audited, run, said

from forecourt.alerts.webhook import signature
from forecourt.database import engine, in_transaction_of
from forecourt.marketplace.delivery import fail_lost_mails
from forecourt.marketplace.posting import WebhookDelayed, WebhookRefused, checked, post
from forecourt.marketplace.webhooks import post_notice, set_webhook
from forecourt.settings import settings


class Receiver(ThreadingHTTPServer):
    """Takes what is posted, and answers with `status`."""

    def __init__(self) -> None:
        self.status = 204
        self.taken: list[tuple[dict[str, str], bytes]] = []
        super().__init__(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/إعلانات?of=تاجر"


class Answer(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(self.server.status)
        self.send_header("Location", "http://127.0.0.1:1/")
        self.end_headers()

    def log_message(self, *said: Any) -> None:
        """Not onto the tests' terminal."""


@pytest.fixture
def receiver(database: str) -> Iterator[Receiver]:
    with Receiver() as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        yield server
        server.shutdown()
        serving.join()


def attempt(notice_id: object) -> dict[str, int]:
    with Session(engine()) as own, own.begin():
        return post_notice(own, str(notice_id))


def log(session: Session) -> list[str]:
    session.rollback()
    return list(session.scalars(text("SELECT outcome FROM notice_deliveries WHERE channel = 'webhook' ORDER BY id")))


def test_a_notice_is_posted_signed_so_that_its_receiver_knows_who_sent_it_and_when(
    session: Session, receiver: Receiver
) -> None:
    sami, nour = user(session, "Sami"), user(session, "Nour")
    secret = set_webhook(in_transaction_of(session), sami.id, receiver.url)
    assert secret is not None
    notice = told(session, owner=sami, title="كيا")
    told(session, owner=nour)
    assert calls(session, "post_notice") == [{"notification_id": notice.id.hex}]
    assert attempt(notice.id) == {"posted": 1}
    [(headers, body)] = receiver.taken
    posted = json.loads(body)
    assert (posted["id"], posted["type"], posted["data"]["title"]) == (str(notice.id), "sponsorship_expired", "كيا")
    assert headers["webhook-id"] == str(notice.id)
    at = int(headers["webhook-timestamp"])
    assert abs(at - time.time()) < 60
    assert headers["webhook-signature"] == signature(secret, str(notice.id), str(at), body)
    assert headers["webhook-signature"] != signature(secret, str(notice.id), str(at + 1), body)
    assert log(session) == ["posted"]


def test_what_is_not_taken_is_tried_again_and_an_address_that_is_gone_is_not(
    session: Session, receiver: Receiver
) -> None:
    sami = user(session, "Sami")
    set_webhook(in_transaction_of(session), sami.id, receiver.url)
    notice = told(session, owner=sami)
    for status in (500, 302, 404):  # and nobody is followed elsewhere
        receiver.status = status
        with pytest.raises(WebhookDelayed, match=f"127.0.0.1 answered {status}"):
            attempt(notice.id)
    receiver.status = 410
    assert attempt(notice.id) == {"gone": 1}
    assert attempt(notice.id) == {"no_webhook": 1}
    assert log(session) == ["put off", "put off", "put off", "gone"]
    assert len(receiver.taken) == 4
    assert "off since" in run("notices", "webhook", sami.id).stdout


def test_nobody_at_the_address_is_a_delay_in_words(empty_var: object) -> None:
    with pytest.raises(WebhookDelayed, match=r"127\.0\.0\.1: .*refused"):
        post("http://127.0.0.1:1/", "7", 1, b"{}", "secret")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://dealer.example",
        "https://",
        "https://user:secret@dealer.example",
        "https://a b",
        "http://[",
        "x",
        "https://a..b/",
        f"https://{'a' * 70}.example",
    ],
)
def test_an_address_that_is_none_is_refused_with_words(empty_var: object, url: str) -> None:
    with pytest.raises(WebhookRefused):
        checked(url)


def test_in_production_nothing_is_posted_in_the_clear_or_into_our_own_network(
    session: Session, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORECOURT_ENVIRONMENT", "production")
    settings.cache_clear()
    with pytest.raises(WebhookRefused, match="is not an address such as https"):
        post(receiver.url, "7", 1, b"{}", "secret")
    for inside in ("127.0.0.1", "10.0.0.1", "169.254.169.254", "[::1]", "localhost"):
        with pytest.raises(WebhookRefused, match="is not a public address"):
            post(f"https://{inside}/", "7", 1, b"{}", "secret")
    assert receiver.taken == []


def test_a_webhook_is_entered_shown_and_removed_by_hand_and_its_secret_told_once(session: Session) -> None:
    sami = user(session, "Sami")
    session.commit()
    secret = said(run("notices", "webhook", sami.id, "https://dealer.example/n", "--json"))["secret"]
    assert secret.startswith("whsec_")
    assert "https://dealer.example/n, on" in run("notices", "webhook", sami.id).stdout
    assert secret not in run("notices", "webhook", sami.id, "--json").stdout
    assert secret not in str(session.scalars(text("SELECT target FROM forecourt.audit")).all())
    run("notices", "webhook", sami.id, "--off")
    assert "has no webhook" in run("notices", "webhook", sami.id).stdout
    run("notices", "webhook", 404, "https://dealer.example/n", code=5)
    run("notices", "webhook", sami.id, "ftp://dealer.example", code=2)
    assert [action for action, _ in audited(session)] == ["notices webhook", "notices webhook --off"]


def test_a_webhook_that_is_tried_for_days_does_not_hide_that_the_mail_was_lost(session: Session) -> None:
    sami = user(session, "Sami")
    set_webhook(in_transaction_of(session), sami.id, "https://dealer.example/n")
    told(session, owner=sami)
    session.execute(text("DELETE FROM forecourt.ready WHERE job = 'deliver_mail'"))
    session.execute(text("UPDATE notifications SET created_at = now() - interval '2 hours'"))
    assert fail_lost_mails(session=session) == {"failed": 1}
    assert len(calls(session, "post_notice")) == 1
