"""Mails to operators: to the SMTP server of FORECOURT_SMTP_URL, or without one into the outbox."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parseaddr
from hashlib import blake2b

from forecourt.settings import settings
from forecourt.smtp import SmtpServer


def compose(
    to: Sequence[str], subject: str, text: str, *, key: str, at: datetime, language: str = "en", html: str | None = None
) -> EmailMessage:
    """The message. The same `key` gives the same Message-ID, by which a mail that is sent twice is
    known as one.
    """
    domain = parseaddr(settings().mail_from)[1].partition("@")[2]
    identity = blake2b(key.encode(), digest_size=16).hexdigest()
    message = EmailMessage(policy=SMTP.clone(cte_type="7bit"))  # 7bit: any server may relay it
    message["From"] = settings().mail_from
    message["To"] = ", ".join(to)
    message["Subject"] = " ".join(subject.split())
    message["Date"] = at.astimezone(UTC)
    message["Message-ID"] = f"<{identity}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
    message.set_content(text)
    if html is not None:
        message.add_alternative(html, subtype="html")
    message["Content-Language"] = language  # last: what comes before the parts moves into the first of them
    return message


def hand_over(message: EmailMessage) -> None:
    """Returns when the server has accepted it for at least one recipient, or the outbox has it.
    Raises SMTPException or OSError.
    """
    if url := settings().smtp_url:
        with SmtpServer.of(url).connection() as connection:
            connection.send_message(message)
        return
    settings().outbox.mkdir(parents=True, exist_ok=True)
    name = message["Message-ID"].strip("<>").partition("@")[0]
    unfinished = settings().outbox / f"{name}.{os.getpid()}.tmp"
    unfinished.write_bytes(bytes(message))
    unfinished.replace(settings().outbox / f"{name}.eml")
