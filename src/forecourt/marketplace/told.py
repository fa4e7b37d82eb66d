"""What was told, to whom, and what became of its mail; a look at a mail without sending it, and
sending it once more.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from forecourt.marketplace import letters
from forecourt.marketplace.delivery import deliver_mail
from forecourt.marketplace.kinds import (
    Digest,
    LowWalletBalance,
    Notice,
    PhotosRefused,
    RefusedPhoto,
    SponsorshipEnding,
    SponsorshipExpired,
)
from forecourt.marketplace.unsubscribing import PATH
from forecourt.settings import settings

LISTED = text(
    """
    SELECT id, user_id, kind, created_at, read_at, mail_status, mail_reason, mail_attempted_at, sent_at
    FROM notifications
    WHERE (CAST(:status AS text) IS NULL OR mail_status = :status)
      AND (CAST(:user_id AS bigint) IS NULL OR user_id = :user_id)
      AND (CAST(:kind AS text) IS NULL OR kind = :kind)
    ORDER BY created_at DESC, id
    LIMIT :limit
    """
)
# What was sent stays sent, and what waits will be.
AGAIN = text(
    """
    WITH chosen AS (
        SELECT id
        FROM notifications
        WHERE (id = ANY (CAST(:ids AS uuid[])) OR mail_status = :status)
          AND mail_status IN ('filed', 'suppressed', 'failed')
        ORDER BY id
        FOR NO KEY UPDATE
    )
    UPDATE notifications
    SET mail_status = 'pending',
        mail_reason = NULL
    FROM chosen
    WHERE notifications.id = chosen.id
    RETURNING notifications.id
    """
)

# A notice of each kind as it may stand in the table, and what is read again when its mail is sent,
# for a look at its mails.
SAMPLES: tuple[tuple[Notice, dict[str, Any]], ...] = (
    (SponsorshipEnding(7, "Kia Rio 2019", "kia-rio-2019", datetime(2026, 11, 23, 21, 1, tzinfo=UTC)), {}),
    (
        SponsorshipExpired(7, "Kia Rio 2019", "kia-rio-2019", datetime(2026, 11, 23, 21, 1, tzinfo=UTC), 1234),
        {
            "brought_views": 412,
            "brought_contacts": 11,
            "first_day": date(2026, 11, 10),
            "last_day": date(2026, 11, 23),
            "views_by_day": [12, 18, 25, 31, 44, 39, 20, 17, 28, 33, 52, 47, 29, 17],
        },
    ),
    (LowWalletBalance(3, "Al Wadi Motors", Decimal("12.50"), "USD", Decimal("50.00"), date(2026, 11, 23)), {}),
    (
        PhotosRefused(
            7, "Kia Rio 2019", "kia-rio-2019", "1", 10, (RefusedPhoto(4, "broken"), RefusedPhoto(7, "too_large"))
        ),
        {},
    ),
)


@dataclass(frozen=True, slots=True)
class Told:
    """One notice, and the state of its mail, with the reason in words where there is one."""

    id: UUID
    user_id: int
    kind: str
    created_at: datetime
    read_at: datetime | None
    mail_status: str
    mail_reason: str | None
    mail_attempted_at: datetime | None
    sent_at: datetime | None


def told(
    session: Session,
    *,
    status: str | None = None,
    user_id: int | None = None,
    kind: str | None = None,
    limit: int = 100,
) -> list[Told]:
    """The notices, newest first."""
    facts = {"status": status, "user_id": user_id, "kind": kind, "limit": limit}
    return [Told(*row) for row in session.execute(LISTED, facts)]


def resend(session: Session, ids: Sequence[UUID] = (), *, status: str | None = None) -> list[UUID]:
    """Let mails be sent anew that were filed, suppressed or failed: these, or all of a status. In
    the caller's transaction; returns which. A mail that is no longer true is suppressed again."""
    again: list[UUID] = list(session.scalars(AGAIN, {"ids": list(ids), "status": status}))
    deliver_mail.using(session=session).dispatch_many([{"notification_id": str(id)} for id in again])
    return again


def previews(
    kind: str | None = None, language: Literal["en", "ar"] | None = None
) -> Iterator[tuple[str, str, letters.Letter]]:
    """The mail of each kind in each language, about sample facts: its kind, language and words."""
    for spoken in ("en", "ar"):
        if language not in (None, spoken):
            continue
        reader = letters.Reader.of("Sami", spoken, None)
        facts = [(sample, asdict(sample) | found) for sample, found in SAMPLES]
        lines = [letters.line(sample.kind, reader, each) for sample, each in facts]
        facts.append((Digest("1"), {"lines": lines, "count": len(lines), "more": 0}))
        for sample, each in facts:
            if kind in (None, sample.kind):
                link, end = settings().base_url + sample.path, f"{settings().base_url}{PATH}1.{sample.kind}.sample"
                yield sample.kind, spoken, letters.write(sample.kind, reader, each, link=link, unsubscribe=end)
