"""Promises to whoever is told: as they want it, no more than they can read, and an end of it with
one click.
"""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from jinja2 import TemplateError
from showroom import ago, calls, notifications, provider, told, user
from sqlalchemy import text
from sqlalchemy.orm import Session
from test_commands import audited, run, said
from test_delivery import deliver

from forecourt import Release
from forecourt.cli.errors import explained
from forecourt.database import in_transaction_of
from forecourt.marketplace import delivery
from forecourt.marketplace.business_changes import change
from forecourt.marketplace.delivery import fail_lost_mails
from forecourt.marketplace.notice_preferences import prefer, wish
from forecourt.marketplace.notices import send_digests
from forecourt.marketplace.unsubscribing import link, unsubscribe, whose
from forecourt.marketplace.wallets import notify_low_wallet_balance
from forecourt.settings import settings
from serving import served
from smtp_sink import Gate, SmtpSink


def text_of(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def deliver_all(session: Session) -> list[dict[str, int]]:
    """Each waiting mail once."""
    waiting = calls(session, "deliver_mail")
    session.execute(text("DELETE FROM forecourt.ready WHERE job = 'deliver_mail'"))
    session.commit()
    return [deliver(call["notification_id"]) for call in waiting]


def state(session: Session) -> list[tuple[str, str]]:
    session.rollback()
    return sorted((notice.kind, notice.mail_status) for notice in notifications(session))


# As they want it


def test_who_wants_no_mails_of_a_kind_gets_none_and_sees_the_notice_in_the_app(
    session: Session, sink: SmtpSink
) -> None:
    sami, nour = user(session, "Sami"), user(session, "Nour")
    prefer(in_transaction_of(session), sami.id, "sponsorship_expired", "never")
    prefer(in_transaction_of(session), nour.id, "*", "never")
    prefer(in_transaction_of(session), nour.id, "sponsorship_expired", "now")
    told(session, owner=sami)
    told(session, owner=nour)
    assert deliver_all(session) == [{"suppressed": 1}, {"sent": 1}]
    assert sink.recipients == ["nour@example.com"]
    [unwanted] = [notice for notice in notifications(session) if notice.user_id == sami.id]
    assert (unwanted.mail_reason, unwanted.read_at) == ("the user wants no mails of this kind", None)


def test_who_wants_a_digest_gets_one_mail_a_day_by_their_own_clocks_about_what_is_still_true(
    session: Session, sink: SmtpSink
) -> None:
    sami = user(session, "Sami", timezone="Asia/Damascus")
    tx = in_transaction_of(session)
    prefer(tx, sami.id, "*", "digest")
    first, second, renewed = (told(session, owner=sami, title=title) for title in ("Kia", "Opel", "Lada"))
    assert deliver_all(session) == [{"digest": 1}] * 3
    local = ago(session, "0").astimezone(ZoneInfo("Asia/Damascus"))
    early = (local + timedelta(minutes=2)).strftime("%H:%M") if local.hour < 23 else None
    if early:
        change(in_transaction_of(session), "digest_at", early, who="a test")
        assert send_digests(session=session) == {"digests": 0}
    change(in_transaction_of(session), "digest_at", "00:00", who="a test")
    session.execute(
        text(
            "UPDATE car_listings SET is_sponsored = true, sponsored_until = now() + interval '9 days' WHERE title = 'Lada'"
        )
    )
    assert send_digests(session=session) == {"digests": 1}
    assert send_digests(session=session) == {"digests": 0}
    assert deliver_all(session) == [{"sent": 1}]
    [message] = sink.messages
    assert message["Subject"] == "2 notices from \u2068Forecourt\u2069"
    assert [word in text_of(message) for word in ("Kia", "Opel", "Lada")] == [True, True, False]
    found = {notice.id: notice for notice in notifications(session)}
    assert [found[notice.id].mail_status for notice in (first, second, renewed)] == ["sent", "sent", "suppressed"]
    [digest] = [notice for notice in found.values() if notice.kind == "digest"]
    assert digest.read_at is not None  # in the app its notices stand already
    assert found[first.id].digest == digest.id


def test_a_digest_of_nothing_that_is_still_true_is_not_sent(session: Session, sink: SmtpSink) -> None:
    sami = user(session, "Sami")
    prefer(in_transaction_of(session), sami.id, "*", "digest")
    told(session, owner=sami)
    deliver_all(session)
    change(in_transaction_of(session), "digest_at", "00:00", who="a test")
    send_digests(session=session)
    session.execute(text("UPDATE car_listings SET deleted_at = now()"))
    session.commit()
    assert deliver_all(session) == [{"suppressed": 1}]
    assert sink.messages == []


def test_a_user_with_many_low_wallets_gets_one_mail_and_each_wallet_stands_in_the_app(
    session: Session, sink: SmtpSink
) -> None:
    sami = user(session, "Sami")
    for name, balance in (("Al Wadi", "12.50"), ("Al Nour", "3"), ("Rich", "900")):
        provider(session, balance, user=sami, name=name)
    assert notify_low_wallet_balance(session=session)["notified"] == 2
    assert deliver_all(session) == [{"sent": 1}]
    assert all(part in text_of(sink.messages[0]) for part in ("Al Wadi", "$12.50", "Al Nour", "$3.00"))
    assert state(session) == [("digest", "sent"), ("low_wallet_balance", "sent"), ("low_wallet_balance", "sent")]


def test_several_at_once_are_still_told_as_their_reader_wants_it(session: Session, sink: SmtpSink) -> None:
    sami, nour, omar = (user(session, name) for name in ("Sami", "Nour", "Omar"))
    tx = in_transaction_of(session)
    prefer(tx, sami.id, "*", "digest")  # once a day, not at once
    prefer(tx, nour.id, "digest", "never")  # who ended digests gets each by itself
    prefer(tx, omar.id, "low_wallet_balance", "digest")
    prefer(tx, omar.id, "digest", "never")  # and who then wants digests after all has to say so
    for owner in (sami, nour, omar):
        provider(session, "1", user=owner)
        provider(session, "2", user=owner)
    notify_low_wallet_balance(session=session)
    assert sorted(map(str, deliver_all(session))) == sorted(
        [*["{'digest': 1}"] * 2, *["{'sent': 1}"] * 2, *["{'suppressed': 1}"] * 2]
    )
    assert sink.recipients == ["nour@example.com"] * 2
    reasons = {notice.mail_reason for notice in notifications(session) if notice.user_id == omar.id}
    assert reasons == {"the user wants a digest of this kind, and no digests are wanted"}


def test_beyond_the_mails_of_a_day_the_rest_waits_for_the_digest(session: Session, sink: SmtpSink) -> None:
    change(in_transaction_of(session), "mails_a_day", "2", who="a test")
    sami = user(session, "Sami", timezone="Pacific/Kiritimati")
    for number in range(4):
        told(session, owner=sami, title=f"Car {number}")
    assert deliver_all(session) == [{"sent": 1}, {"sent": 1}, {"digest": 1}, {"digest": 1}]
    session.execute(
        text("UPDATE notifications SET mail_attempted_at = now() - interval '25 hours' WHERE mail_status = 'sent'")
    )
    told(session, owner=sami)
    assert deliver_all(session) == [{"sent": 1}]


def test_two_mails_to_a_user_at_the_same_moment_are_not_one_too_many_for_the_day(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(in_transaction_of(session), "mails_a_day", "1", who="a test")
    sami = user(session, "Sami")
    first, second = (str(told(session, owner=sami).id) for _ in range(2))
    hand_over = delivery.hand_over

    def meanwhile(message: EmailMessage) -> Path | None:
        monkeypatch.setattr(delivery, "hand_over", hand_over)
        with pytest.raises(Release, match="another mail to the same user"):
            deliver(second)
        return hand_over(message)

    monkeypatch.setattr(delivery, "hand_over", meanwhile)
    assert (deliver(first), deliver(second)) == ({"filed": 1}, {"digest": 1})


def test_a_mail_that_is_refused_while_another_to_its_user_waits_is_none_of_the_day_s(
    session: Session, sink: SmtpSink
) -> None:
    change(in_transaction_of(session), "mails_a_day", "1", who="a test")
    sami = user(session, "Sami")
    first, second = (str(told(session, owner=sami).id) for _ in range(2))
    sink.answers["DATA"].append("550 5.7.1 your mails look like spam")
    gate = Gate(sink)
    with ThreadPoolExecutor(1) as pool:
        refused = pool.submit(deliver, first)
        assert gate.reached.wait(30)
        with pytest.raises(Release, match="another mail to the same user"):
            deliver(second)
        gate.opened.set()
        assert refused.result(30) == {"failed": 1}
    assert deliver(second) == {"sent": 1}


def test_a_digest_that_is_lost_is_failed_with_all_that_it_would_have_told(session: Session) -> None:
    sami = user(session, "Sami")
    provider(session, "1", user=sami)
    provider(session, "2", user=sami)
    notify_low_wallet_balance(session=session)
    session.execute(text("DELETE FROM forecourt.ready"))
    session.execute(text("UPDATE notifications SET created_at = now() - interval '2 hours'"))
    assert fail_lost_mails(session=session) == {"failed": 1}
    session.commit()
    assert {status for _, status in state(session)} == {"failed"}


# Mailboxes and templates


@pytest.mark.parametrize(
    ("answer", "again"),
    [
        ("550 5.1.1 no such user", {"suppressed": 1}),
        ("550 no such user here", {"suppressed": 1}),
        ("552 5.2.2 mailbox full", {"sent": 1}),
        ("550 5.7.1 your mails look like spam", {"sent": 1}),
    ],
)
def test_a_mailbox_that_is_refused_for_good_is_not_tried_again_until_it_is_forgiven(
    session: Session, sink: SmtpSink, answer: str, again: dict[str, int]
) -> None:
    sami = user(session, "Sami", email="Sami@Example.com")
    first, second = told(session, owner=sami), told(session, owner=sami)
    sink.answers["RCPT"].append(answer)
    assert deliver(str(first.id)) == {"failed": 1}
    assert deliver(str(second.id)) == again
    if again == {"sent": 1}:
        assert said(run("notices", "mailboxes", "list", "--json")) == []
        return
    assert [row["address"] for row in said(run("notices", "mailboxes", "list", "--json"))] == ["sami@example.com"]
    run("notices", "mailboxes", "forgive", "SAMI@example.com")
    run("notices", "mailboxes", "forgive", "SAMI@example.com", code=5)
    run("notices", "resend", second.id)
    assert deliver(str(second.id)) == {"sent": 1}
    assert audited(session) == [("notices mailboxes forgive", None), ("notices resend", 1)]


def test_a_broken_template_of_ones_own_says_where_and_the_mail_waits(
    session: Session, sink: SmtpSink, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    notice = told(session)
    (tmp_path / "sponsorship_expired.en.html").write_text("\n{% if %}")
    monkeypatch.setenv("FORECOURT_MAIL_TEMPLATES", str(tmp_path))
    settings.cache_clear()
    with pytest.raises(TemplateError):
        deliver(str(notice.id))
    [notice] = notifications(session)
    assert notice.mail_status == "pending"
    assert "sponsorship_expired.en.html, line 2" in str(notice.mail_reason)
    assert "line 2" in explained(run("notices", "preview", code=1).exception)[1]
    (tmp_path / "sponsorship_expired.en.html").write_text("\n\n{{ colour }}")
    assert (
        "sponsorship_expired.en.html, line 3: 'colour' is undefined"
        in explained(run("notices", "preview", code=1).exception)[1]
    )


def test_each_try_stands_in_the_log_with_what_came_of_it(session: Session, sink: SmtpSink) -> None:
    notice = told(session)
    sink.answers["RCPT"].append("451 greylisted")
    with pytest.raises(Exception, match="greylisted"):
        deliver(str(notice.id))
    deliver(str(notice.id))
    rows = said(run("notices", "log", notice.id, "--json"))
    assert [(row["channel"], row["outcome"]) for row in rows] == [("mail", "sent"), ("mail", "put off")]
    assert "greylisted" in rows[1]["detail"]
    assert "put off" in run("notices", "log").stdout


# The end of it


def test_each_mail_carries_the_headers_and_the_link_by_which_it_ends(session: Session, sink: SmtpSink) -> None:
    sami = user(session, "Sami")
    deliver(str(told(session, owner=sami).id))
    [message] = sink.messages
    address = str(message["List-Unsubscribe"]).strip("<>")
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert address.startswith(f"http://localhost:8000/unsubscribe/{sami.id}.sponsorship_expired.")
    assert address in text_of(message)
    assert whose(in_transaction_of(session), address.rpartition("/")[2]) == (sami.id, "sponsorship_expired")


def test_a_token_that_we_did_not_sign_ends_nothing(session: Session) -> None:
    sami, nour = user(session, "Sami"), user(session, "Nour")
    tx = in_transaction_of(session)
    token = link(tx, sami.id, "sponsorship_expired").rpartition("/")[2]
    forged = [
        token.replace(f"{sami.id}.", f"{nour.id}.", 1),
        token.replace("expired", "ending"),
        token[:-1],
        token + "A",
        "",
        "...",
        f"{sami.id}.sponsorship_expired",
        "٧.x.y",
        "9" * 40 + ".x.y",
        "é.é.é",
    ]
    assert [unsubscribe(tx, each) for each in forged] == [False] * len(forged)
    assert unsubscribe(tx, token)
    assert (wish(tx, sami.id, "sponsorship_expired"), wish(tx, sami.id, "digest")) == ("never", "now")


def test_one_click_of_a_mail_program_ends_them_and_opening_the_link_does_not(session: Session) -> None:
    sami = user(session, "Sami", locale="ar")
    path = "/unsubscribe/" + link(in_transaction_of(session), sami.id, "sponsorship_expired").rpartition("/")[2]
    session.commit()

    def wanted() -> str:
        session.rollback()
        return wish(in_transaction_of(session), sami.id, "sponsorship_expired")

    with served() as address, httpx.Client(base_url=address) as program:
        page = program.get(path)
        assert (page.status_code, 'dir="rtl"' in page.text, "انتهاء الترويج" in page.text) == (200, True, True)
        assert wanted() == "now"
        assert program.post(path, data={"List-Unsubscribe": "One-Click"}).status_code == 200
        assert wanted() == "never"
        assert "مرة في اليوم" in program.post(path, data={"mail": "digest"}).text
        assert wanted() == "digest"
        assert program.post(path, data={"mail": "sometimes"}).status_code == 400
        assert 'value="digest"' not in program.get(path).text  # it is so already
        assert program.post(path + "x", data={"List-Unsubscribe": "One-Click"}).status_code == 404
        assert program.get("/unsubscribe/7.x.y").status_code == 404


def test_what_a_user_wants_is_shown_and_entered_by_hand(session: Session) -> None:
    sami = user(session, "Sami")
    session.commit()
    assert "never said" in run("notices", "prefer", sami.id).stderr
    run("notices", "prefer", sami.id, "low_wallet_balance", "digest")
    assert said(run("notices", "prefer", sami.id, "*", "never", "--json")) == {
        "*": "never",
        "low_wallet_balance": "digest",
    }
    run("notices", "prefer", sami.id, "nonsense", "never", code=2)
    run("notices", "prefer", 404, "*", "never", code=5)
    assert audited(session) == [("notices prefer", None)] * 2
