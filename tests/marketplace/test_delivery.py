"""Promises of a notice's mail: sent once, in the reader's language, and only while it is true."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from socket import create_server
from typing import Any

import pytest
from showroom import notifications, provider, told, until_unlocked, user
from sqlalchemy import text
from sqlalchemy.orm import Session

from fleet import Looking, running, wait_until
from forecourt import Release
from forecourt.database import engine
from forecourt.jobs.context import RunningCall, current
from forecourt.marketplace import delivery
from forecourt.marketplace.address import NoPublicAddress
from forecourt.marketplace.analytics import aggregate_daily_analytics
from forecourt.marketplace.delivery import AT_ONCE, deliver_mail, fail_lost_mails
from forecourt.marketplace.mail import MailDelayed
from forecourt.marketplace.told import resend
from forecourt.marketplace.wallets import notify_low_wallet_balance
from forecourt.settings import settings
from smtp_sink import Gate, SmtpSink


def deliver(notice_id: str) -> dict[str, int]:
    """One attempt in a transaction of its own, as a slot makes it."""
    with Session(engine()) as own, own.begin():
        return deliver_mail(own, notice_id)


def test_a_mail_is_sent_once_however_often_its_call_runs(session: Session, sink: SmtpSink) -> None:
    notice = told(session)
    assert [deliver(str(notice.id)) for _ in range(3)] == [{"sent": 1}, {"already_settled": 1}, {"already_settled": 1}]
    [message] = sink.messages
    [notice] = notifications(session)
    assert (notice.mail_status, notice.mail_reason, notice.message_id) == ("sent", None, message["Message-ID"])
    assert notice.sent_at is not None
    assert message["Date"].datetime == notice.created_at.replace(microsecond=0)


def test_a_mail_speaks_the_user_s_language_and_links_to_the_listing(
    session: Session, sink: SmtpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORECOURT_BASE_URL", "https://cars.example")
    settings.cache_clear()
    notice = told(
        session, title="كيا ريو", slug="كيا ريو/&?", owner=user(session, locale="ar", timezone="Asia/Damascus")
    )
    deliver(str(notice.id))
    [message] = sink.messages
    assert message["Subject"] == "انتهى الترويج المدفوع لإعلانك \u2068كيا ريو\u2069"
    assert message["Content-Language"] == "ar"
    link = "https://cars.example/car-listings/%D9%83%D9%8A%D8%A7%20%D8%B1%D9%8A%D9%88%2F%26%3F"
    for part in message.iter_parts():
        assert link in part.get_content()
        assert "دمشق" in part.get_content()


def test_a_low_wallet_mail_tells_the_balance_and_links_to_the_wallet(session: Session, sink: SmtpSink) -> None:
    provider(session, "12.50", name="Al Wadi", user=user(session))
    notify_low_wallet_balance(session=session)
    session.commit()
    deliver(str(notifications(session)[0].id))
    [message] = sink.messages
    assert message["Subject"] == "Your wallet balance is low: \u2068$12.50\u2069"
    for part in message.iter_parts():
        assert "Al Wadi" in part.get_content()
        assert "$50.00" in part.get_content()
        assert "http://localhost:8000/wallet" in part.get_content()


def test_a_hostile_title_stays_a_title(session: Session, sink: SmtpSink) -> None:
    notice = told(session, title="Kia\r\nBcc: all@example.com\u202e<img src=x onerror=alert(1)>")
    deliver(str(notice.id))
    [message] = sink.messages
    assert message["Bcc"] is None
    assert sink.recipients == ["owner0@example.com"]
    assert message["Subject"] == (
        "The sponsorship of \u2068Kia Bcc: all@example.com<img src=x onerror=alert(1)>\u2069 has ended"
    )
    assert "<img" not in list(message.iter_parts())[1].get_content()


def test_a_mail_that_was_put_off_stays_pending_and_is_sent_by_the_retry(session: Session, sink: SmtpSink) -> None:
    notice = told(session)
    sink.answers["RCPT"].append("451 greylisted")
    with pytest.raises(MailDelayed, match="451 greylisted"):
        deliver(str(notice.id))
    assert notifications(session)[0].mail_status == "pending"
    assert deliver(str(notice.id)) == {"sent": 1}
    assert len(sink.messages) == 1


def test_a_mail_that_is_refused_is_failed_with_the_reason_and_raises_no_storm(session: Session, sink: SmtpSink) -> None:
    notice = told(session)
    sink.answers["RCPT"].append("550 5.1.1 no such user")
    assert deliver(str(notice.id)) == {"failed": 1}
    [notice] = notifications(session)
    assert notice.mail_status == "failed"
    assert "550 5.1.1 no such user" in str(notice.mail_reason)
    assert notice.sent_at is None


def test_a_failed_mail_is_sent_when_it_is_dispatched_again_with_a_better_address(
    session: Session, sink: SmtpSink
) -> None:
    notice = told(session, owner=user(session, email="not an address"))
    assert deliver(str(notice.id)) == {"failed": 1}
    session.execute(text("UPDATE users SET email = 'sami@example.com'"))
    session.commit()
    assert deliver(str(notice.id)) == {"sent": 1}
    assert notifications(session)[0].mail_reason is None


def test_a_mail_whose_server_is_away_stays_pending(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    notice = told(session)
    with SmtpSink() as gone:
        url = gone.url
    monkeypatch.setenv("FORECOURT_SMTP_URL", url)
    settings.cache_clear()
    with pytest.raises(MailDelayed, match="tried again"):
        deliver(str(notice.id))
    assert notifications(session)[0].mail_status == "pending"


def test_two_attempts_at_the_same_moment_send_once(session: Session, sink: SmtpSink) -> None:
    notice = told(session)
    gate = Gate(sink)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(deliver, str(notice.id))
        assert gate.reached.wait(30)
        with pytest.raises(Release):
            deliver(str(notice.id).upper())
        gate.opened.set()
        assert first.result(30) == {"sent": 1}
    assert deliver(str(notice.id)) == {"already_settled": 1}
    assert len(sink.messages) == 1


def test_a_notice_can_be_marked_as_read_while_its_mail_is_on_its_way(session: Session, sink: SmtpSink) -> None:
    notice = told(session)
    gate = Gate(sink)
    with ThreadPoolExecutor(1) as pool:
        delivery = pool.submit(deliver, str(notice.id))
        assert gate.reached.wait(30)
        session.execute(text("SET LOCAL lock_timeout = '1s'"))
        session.execute(text("UPDATE notifications SET read_at = now()"))
        session.commit()
        gate.opened.set()
        assert delivery.result(30) == {"sent": 1}
    [notice] = notifications(session)
    assert notice.read_at is not None
    assert notice.mail_status == "sent"


def test_a_process_killed_between_the_acceptance_and_the_commit_sends_the_same_message_again(
    session: Session, sink: SmtpSink
) -> None:
    notice = told(session)
    gate = Gate(sink)
    code = (
        "import sys; from sqlalchemy.orm import Session; from forecourt.database import engine\n"
        "from forecourt.marketplace.delivery import deliver_mail\n"
        "with Session(engine()) as own, own.begin(): deliver_mail(own, sys.argv[1])"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(notice.id)])
    try:
        assert gate.reached.wait(30)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        gate.opened.set()
    assert notifications(session)[0].mail_status == "sending"
    until_unlocked(session)
    assert deliver(str(notice.id)) == {"sent": 1}
    first, second = sink.messages
    assert first["Message-ID"] == second["Message-ID"]
    assert first.as_bytes() == second.as_bytes()


def test_a_mail_that_is_no_longer_true_is_not_sent(session: Session, sink: SmtpSink) -> None:
    renewed = told(session)
    session.execute(text("UPDATE car_listings SET is_sponsored = true, sponsored_until = now() + interval '30 days'"))
    session.commit()
    assert deliver(str(renewed.id)) == {"suppressed": 1}
    assert notifications(session)[0].mail_reason == "the listing is sponsored again, or gone"

    rich = provider(session, "10")
    notify_low_wallet_balance(session=session)
    rich.wallet_balance = Decimal(500)
    session.commit()
    warning = next(notice for notice in notifications(session) if notice.kind == "low_wallet_balance")
    assert deliver(str(warning.id)) == {"suppressed": 1}
    assert sink.messages == []


def test_a_mail_to_a_user_who_removed_the_address_is_suppressed(session: Session, sink: SmtpSink) -> None:
    notice = told(session)
    session.execute(text("UPDATE users SET email = NULL"))
    session.commit()
    assert deliver(str(notice.id)) == {"suppressed": 1}


def test_a_mail_of_a_notice_that_is_gone_is_a_no_op(session: Session) -> None:
    assert deliver("00000000-0000-0000-0000-000000000000") == {"already_settled": 1}


def test_without_a_server_mails_lie_in_the_outbox_once(session: Session) -> None:
    notice = told(session)
    deliver(str(notice.id))
    deliver(str(notice.id))
    assert len(list(settings().outbox.iterdir())) == 1


def test_without_a_server_a_notice_says_that_its_mail_is_a_file_and_not_that_it_was_sent(session: Session) -> None:
    notice = told(session)
    assert deliver(str(notice.id)) == {"filed": 1}
    [notice] = notifications(session)
    assert (notice.mail_status, notice.sent_at) == ("filed", None)
    [file] = settings().outbox.iterdir()
    assert notice.mail_reason == f"FORECOURT_SMTP_URL names no mail server, so the mail is the file {file}"


def test_a_mail_that_is_a_file_is_sent_when_it_is_dispatched_again_and_there_is_a_server(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    notice = told(session)
    deliver(str(notice.id))
    with SmtpSink() as started:
        monkeypatch.setenv("FORECOURT_SMTP_URL", started.url)
        settings.cache_clear()
        assert deliver(str(notice.id)) == {"sent": 1}
        assert len(started.messages) == 1


def test_a_mail_that_was_put_off_says_why_and_when_and_after_its_last_try_it_is_failed(
    session: Session, sink: SmtpSink
) -> None:
    notice = told(session)
    for attempt, status in ((1, "pending"), (7, "pending"), (8, "failed")):
        sink.answers["RCPT"].append(f"451 greylisted {attempt}")
        token = current.set(RunningCall(1, "deliver_mail", attempt, {}))
        with pytest.raises(MailDelayed):
            deliver(str(notice.id))
        current.reset(token)
        [notice] = notifications(session)
        assert (notice.mail_status, f"451 greylisted {attempt}" in str(notice.mail_reason)) == (status, True)
        assert notice.mail_attempted_at is not None
        session.commit()


def test_a_mail_on_its_way_is_sending(session: Session, sink: SmtpSink) -> None:
    notice = told(session)
    gate = Gate(sink)
    with ThreadPoolExecutor(1) as pool:
        delivery = pool.submit(deliver, str(notice.id))
        assert gate.reached.wait(30)
        assert notifications(session)[0].mail_status == "sending"
        session.commit()
        gate.opened.set()
        assert delivery.result(30) == {"sent": 1}


def test_a_mail_whose_call_is_gone_is_failed_within_the_hour_and_one_that_waits_is_not(session: Session) -> None:
    lost, waits, young = (told(session).id for _ in range(3))
    session.execute(
        text("UPDATE notifications SET created_at = now() - interval '2 hours' WHERE id <> :young"), {"young": young}
    )
    session.execute(
        text("DELETE FROM forecourt.ready WHERE args ->> 'notification_id' <> :waits"), {"waits": str(waits)}
    )
    assert fail_lost_mails(session=session) == {"failed": 1}
    found = {notice.id: notice for notice in notifications(session)}
    assert {id: notice.mail_status for id, notice in found.items()} == {
        lost: "failed",
        waits: "pending",
        young: "pending",
    }
    assert "resend it" in str(found[lost].mail_reason)


def test_a_mail_that_is_resent_while_lost_ones_are_looked_for_is_not_taken_for_one(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = told(session).id
    session.execute(text("DELETE FROM forecourt.ready"))
    session.execute(text("UPDATE notifications SET created_at = now() - interval '2 hours', mail_status = 'failed'"))
    session.commit()
    look = delivery.mentioned

    def resent_behind_it(tx: Any, pattern: str, *, failed: bool) -> set[str]:
        found = look(tx, pattern, failed=failed)
        with Session(engine()) as own, own.begin():
            assert resend(own, [again]) == [again]
        return found

    monkeypatch.setattr(delivery, "mentioned", resent_behind_it)
    assert fail_lost_mails(session=session) == {"failed": 0}


def test_a_mail_server_that_hangs_holds_up_two_slots_once_and_not_the_night(
    session: Session, looking: Looking, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        told(session, owner=user(session, f"owner-{number}"))
    with create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("FORECOURT_SMTP_URL", f"smtp://127.0.0.1:{silent.getsockname()[1]}")
        with running("queue", "work", "--queue", "low", "--processes", "4", app="forecourt.marketplace.app:app"):
            wait_until(lambda: looking.one("SELECT count(*) FROM notifications WHERE mail_status = 'sending'"), 20)
            call = aggregate_daily_analytics.dispatch()
            wait_until(
                lambda: looking.one(f"SELECT count(*) FROM forecourt.done WHERE id = {call.id}"), 12, "the roll-up"
            )
            wait_until(lambda: looking.one("SELECT count(*) FROM forecourt.scheduled") >= 40, 12, "mails put off")
            assert looking.one("SELECT count(*) FROM notifications WHERE mail_attempted_at IS NOT NULL") <= AT_ONCE


def test_mails_wait_uncounted_while_their_server_is_known_to_be_away_and_go_when_it_is_back(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = told(session), told(session)
    with SmtpSink() as server:
        url = server.url
    monkeypatch.setenv("FORECOURT_SMTP_URL", url)
    settings.cache_clear()
    with pytest.raises(MailDelayed):
        deliver(str(first.id))
    with pytest.raises(Release, match="Connection refused") as put_off:
        deliver(str(second.id))
    assert 0 < put_off.value.delay <= 30
    session.execute(text("UPDATE mail_outages SET until = now() - interval '1 second'"))
    session.commit()
    with pytest.raises(MailDelayed):
        deliver(str(second.id))


def test_a_low_wallet_mail_tells_the_balance_of_its_sending(session: Session, sink: SmtpSink) -> None:
    poor = provider(session, "12.50", user=user(session))
    notify_low_wallet_balance(session=session)
    poor.wallet_balance = Decimal("3.20")
    session.commit()
    deliver(str(notifications(session)[0].id))
    assert sink.messages[0]["Subject"] == "Your wallet balance is low: \u2068$3.20\u2069"
    assert notifications(session)[0].data["balance"] == "12.50"  # what was told in the app


def test_a_wallet_that_emptied_before_its_mail_was_sent_is_told_empty(session: Session, sink: SmtpSink) -> None:
    poor = provider(session, "12.50", user=user(session))
    notify_low_wallet_balance(session=session)
    poor.wallet_balance = Decimal(0)
    session.commit()
    deliver(str(notifications(session)[0].id))
    assert sink.messages[0]["Subject"] == "Your wallet is empty: \u2068$0.00\u2069"


@pytest.mark.parametrize(
    "address", ["http://localhost:8000", "https://127.0.0.1", "http://[::1]/", "http://x.localhost"]
)
def test_in_production_no_mail_carries_an_address_that_only_this_machine_understands(
    session: Session, sink: SmtpSink, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    notice = told(session)
    monkeypatch.setenv("FORECOURT_ENVIRONMENT", "production")
    monkeypatch.setenv("FORECOURT_BASE_URL", address)
    settings.cache_clear()
    with pytest.raises(NoPublicAddress, match="FORECOURT_BASE_URL is"):
        deliver(str(notice.id))
    [notice] = notifications(session)
    assert notice.mail_status == "pending"
    assert "FORECOURT_BASE_URL" in str(notice.mail_reason)
    session.commit()
    monkeypatch.setenv("FORECOURT_BASE_URL", "https://cars.example")
    settings.cache_clear()
    assert deliver(str(notice.id)) == {"sent": 1}
