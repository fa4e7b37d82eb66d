"""Notices by Apprise: in a messenger, say, where a user has given us an address for that. Each is
sent once the transaction that tells it is committed.

Apprise speaks to whatever its address names, also on this machine and in its network. So an address
is entered by an operator, and never handed on from a form of the marketplace's.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import Connection
from sqlalchemy import text
from sqlalchemy.orm import Session

from forecourt import at_most, exponential, job
from forecourt.alerts import apprise
from forecourt.database import in_transaction_of
from forecourt.marketplace import deliveries
from forecourt.marketplace.news import news

AT_ONCE = 2
BEHIND = 10

TOLD = text("SELECT user_id FROM notice_apprise WHERE user_id = ANY (:users)")
URL = text(
    """
    SELECT url
    FROM notifications
    JOIN notice_apprise ON notice_apprise.user_id = notifications.user_id
    WHERE notifications.id = :id
    """
)
# Entered for a user who is there.
SET = """
INSERT INTO public.notice_apprise (user_id, url)
SELECT id, %(url)s
FROM public.users
WHERE id = %(user_id)s
ON CONFLICT (user_id) DO UPDATE
SET url = excluded.url,
    created_at = now()
"""
REMOVE = "DELETE FROM public.notice_apprise WHERE user_id = %(user_id)s"
FOUND = "SELECT url, created_at FROM public.notice_apprise WHERE user_id = %(user_id)s"


def set_address(tx: Connection[Any], user_id: int, url: str) -> bool:
    """Send a user's notices to an address of Apprise's from now on. False for a user who is not
    there. Raises NotAnAddress and AppriseMissing.
    """
    return tx.execute(SET, {"user_id": user_id, "url": apprise.checked(url)}).rowcount == 1


def remove_address(tx: Connection[Any], user_id: int) -> bool:
    """Send no more of them. False when none were."""
    return tx.execute(REMOVE, {"user_id": user_id}).rowcount == 1


def address(tx: Connection[Any], user_id: int) -> tuple[str, datetime] | None:
    """Which service a user is told by, without what it takes to write there, and since when."""
    rows = tx.execute(FOUND, {"user_id": user_id}).fetchall()
    return (apprise.shown(rows[0][0]), rows[0][1]) if rows else None


def send_by_apprise(session: Session, told: Sequence[tuple[int, UUID]]) -> None:
    """Enqueue the sending of these notices, by user, in the caller's transaction."""
    deliveries.enqueue(send_notice, session, told, TOLD)


@job(
    queue="low",
    priority=BEHIND,
    tries=8,
    backoff=exponential(60, maximum=timedelta(hours=4)),
    timeout=60,
    limit=at_most(AT_ONCE),
    fail_on=(apprise.NotAnAddress,),
)
def send_notice(session: Session, notification_id: str) -> dict[str, int]:
    """Send a notice to its user's address of Apprise's."""
    id = UUID(notification_id)
    url = session.scalar(URL, {"id": id})
    if url is None:
        return {"no_address": 1}
    tx = in_transaction_of(session)
    told = news(session, id, "apprise")
    if isinstance(told, str):
        deliveries.log(tx, id, "apprise", "suppressed", told)
        return {"suppressed": 1}
    try:
        apprise.send(url, told.title, f"{told.body}\n\n{told.link}")
    except (apprise.NotSent, apprise.NotAnAddress, apprise.AppriseMissing) as error:
        outcome = "refused" if isinstance(error, apprise.NotAnAddress) else "put off"
        deliveries.log_apart(id, "apprise", outcome, str(error))
        raise
    deliveries.log(tx, id, "apprise", "sent", None)
    return {"sent": 1}
