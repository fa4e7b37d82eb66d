"""What is told to whom, once: a row in `notifications` that the reader sees in the app, and one mail about it.

Telling writes the row and enqueues its mail in the caller's transaction: what is rolled back was never told. The row's
`dedupe_key` is unique, so whoever tells the same thing again, later or at the same moment, tells nothing.

A mail is handed over once. Its row says whether it still has to be (`pending`), and an advisory lock lasts as long as
the transaction that hands it over. It is not a lock on the row, so the reader can mark the notice as read meanwhile;
and it ends with the connection, so nothing has to expire after a crash. Only a process that dies in the instant
between the server's "250 accepted" and the commit leaves the row pending; the mail is then sent again, with the same
Message-ID, by which mail systems recognise the copy. The other choice would be mails that are lost without a trace.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, TypeAlias
from urllib.parse import quote
from uuid import UUID

import orjson
from pydantic import TypeAdapter
from sqlalchemy import text
from sqlalchemy.orm import Session

from forecourt import Release, exponential, job
from forecourt.marketplace import letters
from forecourt.marketplace.mail import Mail, MailRefused, compose, hand_over
from forecourt.settings import settings


@dataclass(frozen=True, slots=True)
class SponsorshipExpired:
    """To the owner: the paid placement of a listing is over."""

    kind: ClassVar = "sponsorship_expired"
    still_true: ClassVar = """
        SELECT EXISTS (
            SELECT FROM car_listings
            WHERE id = :listing_id
              AND deleted_at IS NULL
              AND NOT (is_sponsored AND coalesce(sponsored_until > now(), true))
        )"""
    moot: ClassVar = "the listing is sponsored again, or gone"

    listing_id: int
    title: str
    slug: str
    sponsored_until: datetime
    views: int

    @property
    def dedupe_key(self) -> str:
        return f"{self.kind}:{self.listing_id}:{self.sponsored_until.astimezone(UTC).isoformat()}"

    @property
    def path(self) -> str:
        return f"/car-listings/{quote(self.slug, safe='')}"


@dataclass(frozen=True, slots=True)
class LowWalletBalance:
    """To a provider's user: the prepaid wallet is running dry. `on` is the business day of the warning."""

    kind: ClassVar = "low_wallet_balance"
    still_true: ClassVar = """
        SELECT EXISTS (
            SELECT FROM car_providers
            WHERE id = :provider_id
              AND wallet_balance < :threshold
              AND is_active
        )"""
    moot: ClassVar = "the wallet was topped up, or the provider is no longer active"

    provider_id: int
    provider: str
    balance: Decimal
    currency: str
    threshold: Decimal
    on: date

    @property
    def dedupe_key(self) -> str:
        return f"{self.kind}:{self.provider_id}:{self.on}"

    @property
    def path(self) -> str:
        return "/wallet"


Notice: TypeAlias = SponsorshipExpired | LowWalletBalance
STORED: dict[str, TypeAdapter[Any]] = {kind.kind: TypeAdapter(kind) for kind in (SponsorshipExpired, LowWalletBalance)}


def tell(session: Session, notices: Sequence[tuple[int, Notice]]) -> int:
    """Tell each user (by id) a notice, in the caller's transaction. Returns how many had not been told before.

    A user without an e-mail address is told in the app alone.
    """
    told = session.execute(
        text("""
            INSERT INTO notifications (user_id, kind, data, dedupe_key, mail_status, mail_reason)
            SELECT
                users.id, new.kind, new.data, new.dedupe_key,
                CASE WHEN users.email ~ '\\S' THEN 'pending' ELSE 'suppressed' END,
                CASE WHEN users.email ~ '\\S' THEN NULL ELSE 'the user has no e-mail address' END
            FROM jsonb_to_recordset(CAST(:notices AS jsonb))
                AS new(user_id bigint, kind text, data jsonb, dedupe_key text)
            JOIN users ON users.id = new.user_id
            ORDER BY new.dedupe_key  -- two tellers of the same notices meet in one order, and never deadlock
            ON CONFLICT (dedupe_key) DO NOTHING
            RETURNING id, mail_status
        """),
        {"notices": orjson.dumps([_row(user_id, notice) for user_id, notice in notices]).decode()},
    ).all()
    deliver_mail.using(session=session).dispatch_many(
        [{"notification_id": str(row.id)} for row in told if row.mail_status == "pending"]
    )
    return len(told)


@job(queue="low", tries=3, backoff=[10, 30, 60], timeout=30)
def send_sponsorship_expired_notification(
    listing_id: int, sponsored_until: str | None = None, *, session: Session
) -> dict[str, int]:
    """Tell a listing's owner that its sponsorship is over; once for each `sponsored_until` (ISO 8601 with an offset).

    A listing that is gone, in the trash or sponsored again is no news. Without `sponsored_until` the owner is told once
    a business day at most.
    """
    listing = session.execute(
        text("""
            SELECT
                owner_id, title, slug, views_count,
                is_sponsored AND coalesce(sponsored_until > now(), true) AS sponsored_again,
                coalesce(
                    CAST(:ended AS timestamptz),
                    CASE WHEN sponsored_until <= now() THEN sponsored_until END,
                    date_trunc('day', now(), :zone)
                ) AS ended
            FROM car_listings
            WHERE id = :id
              AND deleted_at IS NULL
        """),
        {"id": listing_id, "ended": _instant(sponsored_until), "zone": settings().timezone},
    ).one_or_none()
    if listing is None:
        return {"missing": 1}
    if listing.sponsored_again:
        return {"suppressed": 1}
    notice = SponsorshipExpired(listing_id, listing.title, listing.slug, listing.ended, listing.views_count)
    return {"told": 1} if tell(session, [(listing.owner_id, notice)]) else {"already_told": 1}


@job(queue="low", tries=8, backoff=exponential(60, maximum=timedelta(hours=2)), timeout=240)
def deliver_mail(notification_id: str, *, session: Session) -> dict[str, int]:
    """Hand over a notification's mail, unless it was already, or is no longer true.

    Retries last about two hours, longer than a mail server's restart. A mail that its server refuses for good becomes
    `failed`, with the reason; dispatching it again (after the address was corrected, say) tries again.
    """
    notification = UUID(notification_id)
    if not session.scalar(
        text("SELECT pg_try_advisory_xact_lock(hashtextextended('mail:' || :id, 0))"), {"id": str(notification)}
    ):
        raise Release(30, "another attempt is handing this mail over")
    row = session.execute(
        text("""
            SELECT kind, data, dedupe_key, notifications.created_at, name, email, locale, timezone
            FROM notifications
            JOIN users ON users.id = notifications.user_id
            WHERE notifications.id = :id
              AND mail_status IN ('pending', 'failed')
        """),
        {"id": notification},
    ).one_or_none()
    if row is None:
        return {"already_settled": 1}
    notice: Notice = STORED[row.kind].validate_python(row.data)
    if not row.email:
        return _settle(session, notification, "suppressed", "the user has no e-mail address")
    if not session.scalar(text(notice.still_true), asdict(notice)):
        return _settle(session, notification, "suppressed", notice.moot)
    reader = letters.Reader.of(row.name, row.locale, row.timezone)
    letter = letters.write(notice.kind, reader, asdict(notice), link=settings().base_url + notice.path)
    try:
        message = compose(
            Mail(
                key=row.dedupe_key,
                to=row.email,
                language=reader.language,
                at=row.created_at,
                subject=letter.subject,
                text=letter.text,
                html=letter.html,
            )
        )
        hand_over(message)
    except MailRefused as refused:
        return _settle(session, notification, "failed", str(refused))
    return _settle(session, notification, "sent", message_id=message["Message-ID"])


def _settle(
    session: Session, notification: UUID, status: str, reason: str | None = None, *, message_id: str | None = None
) -> dict[str, int]:
    session.execute(
        text("""
            UPDATE notifications
            SET mail_status = :status,
                mail_reason = :reason,
                message_id = :message_id,
                sent_at = CASE WHEN :status = 'sent' THEN now() END
            WHERE id = :id
        """),
        {"id": notification, "status": status, "reason": reason, "message_id": message_id},
    )
    return {status: 1}


def _row(user_id: int, notice: Notice) -> dict[str, Any]:
    data = STORED[notice.kind].dump_python(notice, mode="json")
    return {"user_id": user_id, "kind": notice.kind, "data": data, "dedupe_key": notice.dedupe_key}


def _instant(written: str | None) -> datetime | None:
    """An aware instant from ISO 8601. Raises ValueError for anything else."""
    if written is None:
        return None
    instant = datetime.fromisoformat(written)
    if instant.tzinfo is None:
        raise ValueError(f"sponsored_until: expected an offset, as in 2026-11-23T00:00:00+03:00, not {written!r}")
    return instant
