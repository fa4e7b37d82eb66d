"""Composes a mail and hands it over: to the SMTP server of FORECOURT_SMTP_URL, or without one to a
folder of files.

Composing is a pure function: the same mail gives the same bytes and the same Message-ID, in every
attempt and on every machine. SMTP knows no idempotency, so a mail that is handed over twice is at
least recognisable as one and the same.
"""

import re
import smtplib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.headerregistry import Address, BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP, Policy
from email.utils import parseaddr
from hashlib import blake2b
from pathlib import Path

from forecourt.marketplace.folder import Folder
from forecourt.marketplace.letters import harmless
from forecourt.settings import settings
from forecourt.smtp import SmtpServer

NO_SUCH_MAILBOX = re.compile(r"55[013] (5\.1\.|(?!5\.\d))")
"""What a server says of a mailbox, not of the mail or of us: 550, 551 or 553, with an enhanced code
of addressing (5.1.x, RFC 3463) or none. 5.2.x is a full mailbox, 5.7.x a policy, and both may
change."""


class AddressHeader(UnstructuredHeader, BaseHeader):
    """A header that holds an address of the web, as it is: of one longer than a line encoded words
    would be made, which no mail program reads there."""

    def fold(self, *, policy: Policy) -> str:
        """In one line, which may have 998 characters."""
        return f"{self.name}: {self}{policy.linesep}"


HEADERS = HeaderRegistry()
HEADERS.map_to_type("list-unsubscribe", AddressHeader)


class MailRefused(Exception):
    """This mail will never be accepted: trying again is of no use."""


class MailboxGone(MailRefused):
    """There is no such mailbox, or it is closed: no other mail to it will be accepted either."""


class MailDelayed(Exception):
    """This mail could not be handed over now: try again later."""


class ServerAway(MailDelayed):
    """The server does not answer, or takes no mail at all: the next one would fare no better
    now.
    """

    def __init__(self, server: SmtpServer, words: str) -> None:
        super().__init__(f"{server}: {words}; the mail is tried again")
        self.server = str(server)


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail to one person. `key` says which mail it is, whatever its text; `at` becomes its
    Date.
    """

    key: str
    to: str
    language: str
    at: datetime
    subject: str
    text: str
    html: str
    unsubscribe: str | None = None
    """The address where mails of this kind end, by a POST (RFC 8058)."""
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    """PNG by the name that the HTML calls it by: <img src="cid:NAME">."""


def compose(mail: Mail) -> EmailMessage:
    """The message, as text and HTML. Raises MailRefused when the recipient's address is none."""
    domain = parseaddr(settings().mail_from)[1].partition("@")[2]
    identity = blake2b(mail.key.encode(), digest_size=16).hexdigest()
    message = EmailMessage(policy=SMTP.clone(cte_type="7bit", header_factory=HEADERS))  # 7bit: any server may relay it
    message["From"] = settings().mail_from
    message["To"] = _address(mail.to)
    message["Subject"] = " ".join(mail.subject.split())
    message["Date"] = mail.at.astimezone(UTC)
    message["Message-ID"] = f"<{identity}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
    if mail.unsubscribe:
        message["List-Unsubscribe"] = f"<{mail.unsubscribe}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    for name, png in mail.pictures.items():
        page = message.get_payload()[1]  # type: ignore[index]
        page.add_related(png, "image", "png", cid=f"<{name}>", disposition="inline", filename=f"{name}.png")  # type: ignore[union-attr]
        page.set_boundary(f"=_{identity}_{name}")  # type: ignore[union-attr]
    message["Content-Language"] = mail.language  # last: what comes before the parts moves into the first of them
    message.set_boundary(f"=_{identity}")
    return message


def hand_over(message: EmailMessage) -> Path | None:
    """Returns None when the SMTP server has accepted the message. Without a server the message lies
    in the outbox, under its Message-ID, and its file is returned.

    Raises MailRefused when the server refuses this recipient or this message for good (5xx). Raises
    MailDelayed for all that can pass (4xx), and ServerAway when it has to do with the server (no
    connection, no answer) or an operator can repair it (login, sender, certificate).
    """
    url = settings().smtp_url
    if not url:
        identity = message["Message-ID"].strip("<>").partition("@")[0]
        Folder(settings().outbox).put(f"{identity}.eml", bytes(message))
        return settings().outbox / f"{identity}.eml"
    server = SmtpServer.of(url)
    try:
        with server.connection() as connection:
            connection.send_message(message)
        return None
    except smtplib.SMTPRecipientsRefused as error:
        code, reason = next(iter(error.recipients.values()))
        verdict = _verdict(code, reason, server)
        if isinstance(verdict, MailRefused) and NO_SUCH_MAILBOX.match(f"{code} {_said(reason)}"):
            raise MailboxGone(str(verdict)) from error
        raise verdict from error
    except smtplib.SMTPDataError as error:
        raise _verdict(error.smtp_code, error.smtp_error, server) from error
    except smtplib.SMTPSenderRefused as error:
        words = f"it refused the sender {error.sender}: {error.smtp_code} {_said(error.smtp_error)}"
        raise ServerAway(server, words) from error
    except smtplib.SMTPResponseException as error:
        raise ServerAway(server, f"{error.smtp_code} {_said(error.smtp_error)}") from error
    except (smtplib.SMTPException, OSError) as error:
        raise ServerAway(server, str(error) or type(error).__name__) from error


def _verdict(code: int, reason: bytes | str, server: SmtpServer) -> MailRefused | MailDelayed:
    if 500 <= code < 600:
        return MailRefused(f"{server} refused it: {code} {_said(reason)}")
    return MailDelayed(f"{server} put it off: {code} {_said(reason)}; the mail is tried again")


def _said(reason: bytes | str) -> str:
    """What a server said, in one line that a table can hold."""
    return harmless(reason.decode(errors="replace") if isinstance(reason, bytes) else reason)


def _address(written: str) -> Address:
    """The recipient; a domain in another script (مثال.سورية) is written as DNS knows it."""
    local, _, domain = written.strip().rpartition("@")
    try:
        return Address(addr_spec=f"{local}@{domain.encode('idna').decode()}")
    except (ValueError, IndexError, HeaderParseError) as error:
        raise MailRefused(f"{written!r} is not an e-mail address: {error}") from error
