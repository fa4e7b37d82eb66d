"""What is told to whom, once: a row in `notifications` that the reader sees in the app, and one
mail about it.

Telling writes the row and enqueues its mail in the caller's transaction: what is rolled back was
never told. The row's `dedupe_key` is unique, so whoever tells the same thing again, later or at the
same moment, tells nothing.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

from forecourt import job
from forecourt.database import in_transaction_of
from forecourt.marketplace.apprise_notices import send_by_apprise
from forecourt.marketplace.business import business
from forecourt.marketplace.delivery import deliver_mail
from forecourt.marketplace.digests import combine, due
from forecourt.marketplace.kinds import STORED, Digest, Notice, SponsorshipExpired
from forecourt.marketplace.notice_preferences import wish_of, wishes
from forecourt.marketplace.push import push
from forecourt.marketplace.webhooks import post_to_webhooks
from forecourt.settings import settings


def tell(session: Session, notices: Sequence[tuple[int, Notice]]) -> int:
    """Tell each user (by id) a notice, in the caller's transaction. Returns how many had not been
    told before.

    A user without an e-mail address is told in the app alone. What one user is told at once is one
    mail. A user with a webhook has each notice posted there as well, one with browsers that
    subscribed is told there, one with an address of Apprise's by that.
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
            RETURNING id, user_id, kind, mail_status
        """),
        {"notices": orjson.dumps([_row(user_id, notice) for user_id, notice in notices]).decode()},
    ).all()
    mails = _mails(session, [row for row in told if row.mail_status == "pending"])
    deliver_mail.using(session=session).dispatch_many([{"notification_id": str(id)} for id in mails])
    for channel in (post_to_webhooks, push, send_by_apprise):
        channel(session, [(row.user_id, row.id) for row in told])
    return len(told)


def _mails(session: Session, told: Sequence[Any]) -> list[UUID]:
    """The notices to be delivered by mail: each by itself, and a digest of those that one user
    wants at once.
    """
    to_user: dict[int, list[Any]] = defaultdict(list)
    for row in told:
        to_user[row.user_id].append(row)
    mails: list[UUID | None] = []
    for user, rows in to_user.items():
        together = _together(session, user, rows)
        if together:
            mails.append(combine(session, user, together, str(together[0])))
        mails += [row.id for row in rows if row.id not in together]
    return [id for id in mails if id is not None]


def _together(session: Session, user: int, told: Sequence[Any]) -> list[UUID]:
    """Those of a user's notices that one mail is to tell: several that are wanted now, by somebody
    who takes digests.
    """
    if len(told) == 1:
        return []
    wanted = wishes(in_transaction_of(session), user)
    found = [row.id for row in told if wish_of(wanted, row.kind) == "now"]
    return found if len(found) > 1 and wish_of(wanted, Digest.kind) != "never" else []


@job(queue="low", timeout=600)
def send_digests(session: Session) -> dict[str, int]:
    """Send each user whose notices wait for a digest theirs, once on a day of theirs, when the hour
    for it has come by their clocks."""
    digests = [combine(session, user, notices, of) for user, notices, of in due(session, business(session).digest_at)]
    made = [{"notification_id": str(id)} for id in digests if id is not None]
    deliver_mail.using(session=session).dispatch_many(made)
    return {"digests": len(made)}


@job(queue="low", tries=3, backoff=[10, 30, 60], timeout=30, commit_together=50)
def send_sponsorship_expired_notification(
    session: Session, listing_id: int, sponsored_until: str | None = None
) -> dict[str, int]:
    """Tell a listing's owner that its sponsorship is over; once for each `sponsored_until` (ISO
    8601 with an offset).

    A listing that is gone, in the trash or sponsored again is no news. Without `sponsored_until`
    the owner is told once a business day at most.
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
