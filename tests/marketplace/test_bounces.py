"""Promises about mails that come back: a mailbox that is gone gets no more, one that is full does,
and nobody makes us believe that of a mail which was not ours.
"""

from email.message import EmailMessage

import pytest
from click.testing import CliRunner
from showroom import notifications, told, user
from sqlalchemy import text
from sqlalchemy.orm import Session
from test_delivery import deliver

from forecourt.cli import forecourt
from forecourt.cli.errors import explained
from forecourt.database import in_transaction_of
from forecourt.marketplace.bounces import report
from forecourt.marketplace.mailboxes import why_refused
from forecourt.settings import settings
from smtp_sink import SmtpSink

REPORT = """Return-Path: <>
From: Mail Delivery Subsystem <MAILER-DAEMON@mx.example>
To: no-reply@localhost
Subject: Returned mail: see transcript for details
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="=_b"

--=_b

We could not deliver it.

--=_b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example
Arrival-Date: Mon, 23 Nov 2026 09:00:00 +0000

Final-Recipient: rfc822; sami@example.com
Action: {action}
Status: {status}
Diagnostic-Code: smtp; {said}

--=_b
Content-Type: {kind}

{returned}
--=_b--
"""


def sent(session: Session, sink: SmtpSink) -> EmailMessage:
    """A mail that its server has accepted."""
    notice = told(session, owner=user(session, "Sami"))
    assert deliver(str(notice.id)) == {"sent": 1}
    return sink.messages[-1]


def returned(mail: EmailMessage | str, *, status: str, said: str = "550 no", action: str = "failed") -> bytes:
    kind = "message/rfc822" if isinstance(mail, EmailMessage) else "text/rfc822-headers"
    if isinstance(mail, EmailMessage):  # as it came, line by line
        mail = mail.as_string(policy=mail.policy.clone(refold_source="none"))
    return REPORT.format(action=action, status=status, said=said, kind=kind, returned=mail).encode()


def head(mail: EmailMessage, **instead: str) -> str:
    """Its head as a server returns it, with some fields forged."""
    fields = {name: str(value) for name, value in mail.items()} | {k.replace("_", "-"): v for k, v in instead.items()}
    return "".join(f"{name}: {' '.join(value.split())}\n" for name, value in fields.items())


def piped(message: bytes) -> str:
    """What the command says to what a mail server pipes in."""
    result = CliRunner().invoke(forecourt, ["notices", "bounced"], input=message)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def status(session: Session) -> tuple[str, str | None, str | None]:
    session.rollback()
    [notice] = notifications(session)
    return notice.mail_status, notice.mail_reason, why_refused(in_transaction_of(session), "sami@example.com")


def outcomes(session: Session) -> list[str]:
    return list(session.scalars(text("SELECT outcome FROM notice_deliveries ORDER BY id")))


def test_a_mail_that_is_late_or_meets_a_full_mailbox_is_noted_and_a_mailbox_that_is_gone_gets_no_more(
    session: Session, sink: SmtpSink
) -> None:
    mail = sent(session, sink)
    assert "is late" in piped(returned(mail, status="4.4.1", action="delayed"))
    assert status(session) == ("sent", None, None)
    assert "further ones are sent" in piped(returned(head(mail), status="5.2.2", said="552 5.2.2 mailbox full"))
    assert status(session) == ("failed", "it came back: 5.2.2 552 5.2.2 mailbox full", None)
    gone = returned(mail, status="5.1.1", said="550 5.1.1 <sami@example.com>: no such user")
    assert "nothing more is sent to the mailbox" in piped(gone)
    assert status(session)[2] == "it came back: 5.1.1 550 5.1.1 <sami@example.com>: no such user"
    assert outcomes(session) == ["sent", "put off", "came back"]
    second = told(session, owner=session.get_one(type(user(session, "Nour")), 1))
    assert deliver(str(second.id)) == {"suppressed": 1}


@pytest.mark.parametrize(
    ("code", "said", "about_mailbox"),
    [
        ("5.1.1", "550 no", True), ("5.1.10", "550 no", True), ("5.0.0", "550 5.1.1 no such user", True),
        ("5.0.0", "550 no such user", True), ("5.1.8", "550 bad sender", False), ("5.2.1", "550 disabled", False),
        ("5.7.1", "550 5.7.1 policy", False), ("5.0.0", "550 5.7.1 policy", False), ("5.0.0", "554 no", False),
        ("4.4.7", "expired", False),
    ],
)  # fmt: skip
def test_only_what_is_said_of_the_mailbox_ends_it(code: str, said: str, about_mailbox: bool) -> None:
    found = report(returned("Message-ID: <1@x>", status=code, said=said))
    assert found is not None
    assert found.about_mailbox is about_mailbox


def test_what_nobody_could_know_but_the_mail_s_reader_is_asked_for_and_all_else_changes_nothing(
    session: Session, sink: SmtpSink
) -> None:
    mail = sent(session, sink)
    link = str(mail["List-Unsubscribe"])
    forged = [
        head(mail, List_Unsubscribe=""),
        head(mail, List_Unsubscribe=link.replace("unsubscribe/1.", "unsubscribe/2.")),
        head(mail, List_Unsubscribe=f"{link[:-3]}x>"),
        head(mail, Message_ID="<0123456789abcdef@localhost>"),
    ]
    for one in forged:
        assert "none of ours" in piped(returned(one, status="5.1.1"))
    deep = b"".join(b"Content-Type: message/rfc822\n\n" for _ in range(8_000))
    for other in (
        b"", b"\x00\xff" * 100, bytes(mail), b"Content-Type: multipart/report; boundary=x\n\n--x--", deep,
        returned(mail, status="2.0.0", action="delivered"), returned(mail, status="soon"),
        b"Content-Type: multipart/report; boundary=b\n\n--b\n" + deep, b"x" * (3 << 20),
        returned(head(mail, To="(" * 2_000), status="5.1.1"),
    ):  # fmt: skip
        assert "no report of a mail of ours" in piped(other)
    assert status(session) == ("sent", None, None)
    assert outcomes(session) == ["sent"]
    session.execute(text("UPDATE users SET email = 'other@example.com'"))
    session.commit()
    assert "further ones are sent" in piped(returned(mail, status="5.1.1")), "the mailbox is not the user's any more"
    assert session.scalar(text("SELECT count(*) FROM mailbox_refusals")) == 0


def test_while_the_database_is_away_the_mail_server_is_to_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECOURT_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    settings.cache_clear()
    result = CliRunner().invoke(forecourt, ["notices", "bounced"], input=returned("x: y", status="5.1.1"))
    assert isinstance(result.exception, Exception)
    assert explained(result.exception)[0] == 75
