"""Mails that come back, days after their server accepted them: read as RFC 3464 has it, and
believed only of a mail that was ours.

Anybody can send us a mail that says of another that it bounced. So the returned mail must bear what
only its copy bears, the signed link that ends such mails, and its Message-ID must be of a mail to
the same user about the same kind of notice.
"""

import re
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from email.utils import parseaddr
from typing import Any

from psycopg import Connection

from forecourt.marketplace import deliveries, mailboxes
from forecourt.marketplace.unsubscribing import PATH, whose

LONGEST = 256 * 1024
"""Bytes that are read of a message. The report stands before the mail that it is about, whose head
is all that is looked at."""

MOST_PARTS = 20
NO_SUCH_MAILBOX = re.compile(r"5\.1\.(?![78]\b)\d{1,3}")
"""What is said of the recipient's address (RFC 3463): not there, moved, not written right. 5.1.7
and 5.1.8 are about the sender's."""

SAID_OF_MAILBOX = re.compile(r"\b55[013][ -](5\.1\.(?![78]\b)\d|(?!\d\.\d\.\d))")
"""The same in the words of the recipient's server, for one whose report says no more than 5.0.0."""

OURS = """
SELECT notifications.id, user_id, kind, email, mail_status
FROM public.notifications
JOIN public.users ON users.id = user_id
WHERE message_id = %(message_id)s
  AND mail_status IN ('sent', 'failed')
"""
FAILED = """
UPDATE public.notifications
SET mail_status = 'failed',
    mail_reason = %(why)s,
    sent_at = NULL
WHERE mail_status = 'sent'
  AND (id = %(id)s OR digest = %(id)s)
"""


@dataclass(frozen=True, slots=True)
class Report:
    """What a message says of a mail: whether it came back for good, the status and the server's
    words; by which mail, to whom, and the token of its link."""

    failed: bool
    status: str
    words: str
    message_id: str
    to: str
    token: str

    @property
    def about_mailbox(self) -> bool:
        """Whether the mailbox is not there, and no other mail to it would arrive either."""
        if not self.failed:
            return False
        vague = self.status == "5.0.0"
        return bool(NO_SUCH_MAILBOX.fullmatch(self.status) or (vague and SAID_OF_MAILBOX.search(self.words)))

    @property
    def why(self) -> str:
        """For people."""
        return f"it came back: {self.status} {self.words}".strip()[:500]


def report(message: bytes) -> Report | None:
    """What a message reports of one mail; None for one that is no delivery status, or has not what
    a mail of ours bears. Never raises: anybody can send it.
    """
    try:
        return _report(message)
    except RecursionError:  # a mail in a mail in a mail, or as deep a comment in an address
        return None


def _report(message: bytes) -> Report | None:
    whole: Any = BytesParser().parsebytes(message[:LONGEST])
    if whole.get_content_type() != "multipart/report" or not isinstance(whole.get_payload(), list):
        return None
    parts = whole.get_payload()[:MOST_PARTS]
    status = next((part for part in parts if part.get_content_type() == "message/delivery-status"), None)
    returned = next((found for part in parts if (found := _returned(part)) is not None), None)
    blocks = status.get_payload() if status is not None else None
    if returned is None or not isinstance(blocks, list):
        return None
    for block in blocks[:MOST_PARTS]:
        action, code = _field(block, "Action").lower(), _field(block, "Status").split(" ")[0]
        if action in ("failed", "delayed") and re.fullmatch(r"[45]\.\d{1,3}\.\d{1,3}", code):
            return Report(
                failed=action == "failed",
                status=code,
                words=_field(block, "Diagnostic-Code").partition(";")[2].strip()[:300],
                message_id=_field(returned, "Message-ID"),
                to=parseaddr(_field(returned, "To"))[1],
                token=_field(returned, "List-Unsubscribe").partition(PATH)[2].partition(">")[0],
            )
    return None


def came_back(tx: Connection[Any], message: bytes) -> str:
    """Take note of a mail that came back, in the caller's transaction, and say in words what was
    done. What is not believed changes nothing."""
    bounce = report(message)
    if bounce is None:
        return "nothing was changed: it is no report of a mail of ours that could not be delivered (RFC 3464)"
    rows = tx.execute(OURS, {"message_id": bounce.message_id}).fetchall()
    if not rows or whose(tx, bounce.token) != (rows[0][1], rows[0][2]):
        return "nothing was changed: the mail that it is about is none of ours"
    id, user, _, email, _ = rows[0]
    if not bounce.failed:
        deliveries.log(tx, id, "mail", "put off", f"{bounce.why}; its way goes on")
        return f"noted: the mail of notice {id} is late; its way goes on"
    if tx.execute(FAILED, {"id": id, "why": bounce.why}).rowcount:
        deliveries.log(tx, id, "mail", "came back", bounce.why)
    if not bounce.about_mailbox or not _same(bounce.to, email):
        return f"noted: the mail of notice {id} came back ({bounce.status}); further ones are sent"
    mailboxes.refuse(tx, email, bounce.why)
    return f"noted: the mail of notice {id} came back ({bounce.status}), and nothing more is sent to the mailbox of user {user}"


def _returned(part: Any) -> Message | None:
    """The mail that a part returns, or its head."""
    match part.get_content_type():
        case "message/rfc822" if isinstance(part.get_payload(), list) and part.get_payload():
            found: Message = part.get_payload()[0]
            return found
        case "text/rfc822-headers" if isinstance(head := part.get_payload(decode=True), bytes):
            return BytesParser().parsebytes(head, headersonly=True)
        case _:
            return None


def _field(message: Message, name: str) -> str:
    """A field in one line, with nothing that a table or a log could not hold."""
    return "".join(letter for letter in " ".join(str(message.get(name, "")).split()) if letter.isprintable())


def _same(written: str, email: str | None) -> bool:
    """Whether the mail went to the address that the user has now."""
    local, _, domain = (email or "").strip().rpartition("@")
    try:
        ours = f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError:
        return False
    return written.lower() == ours.lower()
