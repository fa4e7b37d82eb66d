"""Hands a notice's mail over, once, and says on its row what became of it.

    pending ──► sending ──► sent         the server accepted it
       ▲           │──────► filed        there is no server: it is a file in the outbox
       └───────────┤──────► suppressed   it is no longer true, not wanted, or there is no address or
       mailbox
        put off    │──────► digest       it is told with others, later
                   └──────► failed       refused for good, or put off until the last try; the reason
                   is beside it

A mail is handed over once. An advisory lock lasts as long as the transaction that does it. It is
not a lock on the row, so the reader can mark the notice as read meanwhile; and it ends with the
connection, so nothing has to expire after a crash. Only a process that dies in the instant between
the server's "250 accepted" and the commit leaves the row at `sending`; the mail is then sent again,
with the same Message-ID, by which mail systems recognise the copy. The other choice would be mails
that are lost without a trace.
"""

from dataclasses import asdict
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

from jinja2 import TemplateError
from sqlalchemy import text
from sqlalchemy.orm import Session

from forecourt import Release, at_most, exponential, job
from forecourt.database import in_transaction_of
from forecourt.database import session as transaction
from forecourt.jobs.context import current
from forecourt.marketplace import deliveries, digests, letters, mailboxes, unsubscribing
from forecourt.marketplace.address import NoPublicAddress, public_address
from forecourt.marketplace.business import business
from forecourt.marketplace.kinds import STORED, Notice
from forecourt.marketplace.mail import Mail, MailboxGone, MailDelayed, MailRefused, ServerAway, compose, hand_over
from forecourt.marketplace.notice_preferences import wish
from forecourt.quiet import quiet_until
from forecourt.settings import settings
from forecourt.smtp import SmtpServer
from forecourt.store.mentions import mentioned

OUTAGE_SECONDS = 30.0
"""So long nobody asks a server again that did not answer. Each slot that meets it in the same
moment waits for its timeout once; all other mails go back at once, uncounted. Without that each of
a night's mails would hold a slot for its timeout."""

AT_ONCE = 2
"""Mails handed over at the same moment, on all servers: each holds a slot for as long as the mail
server takes, and what else is due must find one. Two hand over a thousand mails in a minute where
each takes a tenth of a second."""

BEHIND = 10
"""The priority of mails in their queue: behind the duties of the night."""

ROW = text(
    """
    SELECT user_id, kind, data, dedupe_key, notifications.created_at, name, email, locale, timezone
    FROM notifications
    JOIN users ON users.id = notifications.user_id
    WHERE notifications.id = :id
      AND (mail_status IN ('pending', 'sending', 'failed') OR mail_status = 'filed' AND :server)
    """
)
SETTLE = text(
    """
    UPDATE notifications
    SET mail_status = :status,
        mail_reason = :reason,
        message_id = :message_id,
        mail_attempted_at = CASE WHEN :status IN ('suppressed', 'digest') THEN mail_attempted_at ELSE now() END,
        sent_at = CASE WHEN :status = 'sent' THEN now() END
    WHERE id = :id
       OR (digest = :id AND mail_status <> 'suppressed')
    """
)
# In a transaction of its own, beside the call's, which may not be waited for: it may be the one
# that changes the row.
NOTE = text(
    """
    UPDATE notifications
    SET mail_status = :status,
        mail_reason = :reason,
        mail_attempted_at = now()
    WHERE id = (SELECT id FROM notifications WHERE id = :id FOR NO KEY UPDATE SKIP LOCKED)
    """
)
OUTAGE = text(
    """
    INSERT INTO mail_outages (server, until, why)
    VALUES (:server, now() + :seconds * interval '1 second', :why)
    ON CONFLICT (server) DO UPDATE
    SET until = excluded.until,
        why = excluded.why
    """
)
AWAY = text("SELECT until - now() AS left, why FROM mail_outages WHERE server = :server AND until > now()")
# Before the calls: a mail that is resent meanwhile is none of these.
UNSENT = text(
    """
    SELECT id
    FROM notifications
    WHERE mail_status IN ('pending', 'sending')
      AND coalesce(mail_attempted_at, created_at) < now() - interval '1 hour'
    """
)
LOST = text(
    """
    UPDATE notifications
    SET mail_status = 'failed',
        mail_reason = 'its call failed, was killed at its last try, or was removed; resend it'
    WHERE mail_status IN ('pending', 'sending')
      AND id = ANY (CAST(:ids AS uuid[]))
    RETURNING id
    """
)
LOST_WITH_THEM = text(
    """
    UPDATE notifications
    SET mail_status = 'failed',
        mail_reason = 'the digest that was to tell it was lost; resend it'
    WHERE digest = ANY (CAST(:digests AS uuid[]))
      AND mail_status = 'digest'
    """
)
TODAY = text(
    """
    SELECT count(*)
    FROM notifications
    WHERE user_id = :user_id
      AND id <> :id
      AND digest IS NULL
      AND mail_status IN ('sending', 'sent', 'filed')
      AND mail_attempted_at >= :midnight
    """
)
# What another mail becomes that is on its way is not known yet: whether it is one of the day's.
ONE_A_USER = text("SELECT pg_try_advisory_xact_lock(hashtextextended('mails to ' || :user_id, 0))")
A_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


@job(
    queue="low",
    priority=BEHIND,
    tries=8,
    backoff=exponential(60, maximum=timedelta(hours=2)),
    timeout=60,
    limit=at_most(AT_ONCE),
)
def deliver_mail(session: Session, notification_id: str) -> dict[str, int]:
    """Hand over a notification's mail, unless it was already, or is no longer true.

    Retries last about two hours, longer than a mail server's restart. A mail that its server
    refuses for good, or puts off until the last try, becomes `failed`, with the reason; dispatching
    it again (after the address was corrected, say) tries again.
    """
    notification = UUID(notification_id)
    if not session.scalar(
        text("SELECT pg_try_advisory_xact_lock(hashtextextended('mail:' || :id, 0))"), {"id": str(notification)}
    ):
        raise Release(30, "another attempt is handing this mail over")
    row = session.execute(ROW, {"id": notification, "server": settings().smtp_url is not None}).one_or_none()
    if row is None:
        return {"already_settled": 1}
    notice: Notice = STORED[row.kind].validate_python(row.data)
    if (refusal := _why_not(session, row, notice)) is not None:
        return _settle(session, notification, *refusal)
    reader = letters.Reader.of(row.name, row.locale, row.timezone)
    found = business(session)
    now: datetime = session.scalars(text("SELECT clock_timestamp()")).one()
    put_off_while_quiet(now, reader, found.quiet_hours)
    _put_off_while_away(session)
    if not session.scalar(ONE_A_USER, {"user_id": str(row.user_id)}):
        raise Release(2, "another mail to the same user is being handed over")
    if settings().smtp_url:  # a file is there or not: there is no way on which it could be
        _note(notification, "sending", None)
    midnight = now.astimezone(reader.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    today = session.scalar(TODAY, {"user_id": row.user_id, "id": notification, "midnight": midnight})
    if row.kind != "digest" and today >= found.mails_a_day:
        why = f"{today} mails went to the user today"
        return _settle(session, notification, *_in_a_digest(session, row.user_id, why))
    try:
        mail = _written(session, notification, row, notice, reader)
        if mail is None:
            return _settle(session, notification, "suppressed", notice.moot)
        message = compose(mail)
        filed = hand_over(message)
    except MailRefused as refused:
        if isinstance(refused, MailboxGone):
            mailboxes.refuse(in_transaction_of(session), row.email, str(refused))
        return _settle(session, notification, "failed", str(refused))
    except (MailDelayed, NoPublicAddress, TemplateError) as delayed:
        if isinstance(delayed, ServerAway):
            with transaction() as tx:
                tx.execute(OUTAGE, {"server": delayed.server, "seconds": OUTAGE_SECONDS, "why": str(delayed)})
        words = letters.in_words(delayed) if isinstance(delayed, TemplateError) else str(delayed)
        _note(notification, "failed" if _is_last_try() else "pending", words)
        raise
    if filed is not None:
        words = f"FORECOURT_SMTP_URL names no mail server, so the mail is the file {filed}"
        return _settle(session, notification, "filed", words, message_id=message["Message-ID"])
    return _settle(session, notification, "sent", message_id=message["Message-ID"])


@job(queue="low", timeout=600)
def fail_lost_mails(session: Session) -> dict[str, int]:
    """Say so on the notices whose mail nobody will send any more: their call was killed at its last
    try, or removed.
    """
    unsent = session.scalars(UNSENT).all()
    waiting = {UUID(found) for found in mentioned(in_transaction_of(session), f"(?i)({A_UUID})", failed=False)}
    lost = session.scalars(LOST, {"ids": [id for id in unsent if id not in waiting]}).all()
    session.execute(LOST_WITH_THEM, {"digests": lost})
    return {"failed": len(lost)}


def _why_not(session: Session, row: Any, notice: Notice) -> tuple[str, str] | None:
    """What a mail becomes that is not to be sent now, and why; None for one that is."""
    tx = in_transaction_of(session)
    if not row.email:
        return "suppressed", "the user has no e-mail address"
    if not session.scalar(text(notice.still_true), asdict(notice)):
        return "suppressed", notice.moot
    if (refused := mailboxes.why_refused(tx, row.email)) is not None:
        return "suppressed", f"the mailbox takes no mail ({refused}); see `forecourt notices mailboxes list`"
    match wish(tx, row.user_id, row.kind):
        case "never":
            return "suppressed", "the user wants no mails of this kind"
        case "digest" if row.kind != "digest":
            return _in_a_digest(session, row.user_id, "the user wants a digest of this kind")
        case _:
            return None


def _in_a_digest(session: Session, user_id: int, why: str) -> tuple[str, str]:
    if wish(in_transaction_of(session), user_id, "digest") == "never":
        return "suppressed", f"{why}, and no digests are wanted"
    return "digest", f"{why}; it waits for the next"


def _written(session: Session, notification: UUID, row: Any, notice: Notice, reader: letters.Reader) -> Mail | None:
    """The mail, about the facts as they are now; None for a digest of nothing."""
    if row.kind == "digest":
        facts = digests.lines(session, notification, row.user_id, reader)
        if not facts["count"]:
            return None
    else:
        facts = digests.facts_now(session, notice)
    end = unsubscribing.link(in_transaction_of(session), row.user_id, row.kind)
    letter = letters.write(notice.kind, reader, facts, link=public_address() + notice.path, unsubscribe=end)
    return Mail(
        key=row.dedupe_key,
        to=row.email,
        language=reader.language,
        at=row.created_at,
        subject=letter.subject,
        text=letter.text,
        html=letter.html,
        unsubscribe=end,
        pictures=letter.pictures,
    )


def put_off_while_quiet(now: datetime, reader: letters.Reader, hours: tuple[time, time] | None) -> None:
    """Raise Release in the reader's quiet hours."""
    if (end := quiet_until(now, reader.zone, hours)) is not None:
        raise Release(
            end - now, f"quiet hours of the reader, until {end.astimezone(reader.zone):%H:%M} ({reader.zone.key})"
        )


def _put_off_while_away(session: Session) -> None:
    """Raise Release while the mail server is known not to answer."""
    url = settings().smtp_url
    away = session.execute(AWAY, {"server": str(SmtpServer.of(url))}).one_or_none() if url else None
    if away is not None:
        raise Release(away.left, away.why)


def _is_last_try() -> bool:
    call, tries = current.get(), deliver_mail.policy.tries
    return call is not None and tries is not None and call.attempt >= tries


def _note(notification: UUID, status: str, reason: str | None) -> None:
    """What is true whatever becomes of the call's transaction."""
    with transaction() as tx:
        tx.execute(NOTE, {"id": notification, "status": status, "reason": reason})
        if status != "sending":
            deliveries.log(
                in_transaction_of(tx), notification, "mail", "put off" if status == "pending" else status, reason
            )


def _settle(
    session: Session, notification: UUID, status: str, reason: str | None = None, *, message_id: str | None = None
) -> dict[str, int]:
    session.execute(SETTLE, {"id": notification, "status": status, "reason": reason, "message_id": message_id})
    deliveries.log(in_transaction_of(session), notification, "mail", status, reason)
    return {status: 1}
