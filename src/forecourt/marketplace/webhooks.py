"""Users' webhooks: each notice is posted there as well, signed, once the transaction that tells it
is committed.

A receiver may get a notice twice, with the same `webhook-id`: when it answered and its answer was
lost.
"""

import secrets
import time
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from psycopg import Connection
from sqlalchemy import text
from sqlalchemy.orm import Session

from forecourt import at_most, exponential, job
from forecourt.database import in_transaction_of
from forecourt.marketplace import deliveries
from forecourt.marketplace.posting import WebhookDelayed, WebhookGone, WebhookRefused, checked, post

AT_ONCE = 2
"""Posted at the same moment, on all servers: a receiver may take seconds, and other duties wait for
slots.
"""

TRIES = 14
"""With the pauses between them that is a little more than a day."""

BEHIND = 10

POSTED = text("SELECT user_id FROM notice_webhooks WHERE user_id = ANY (:users) AND off_since IS NULL")
ROW = text(
    """
    SELECT notifications.id, notifications.user_id, kind, data, notifications.created_at, url, secret
    FROM notifications
    JOIN notice_webhooks ON notice_webhooks.user_id = notifications.user_id
    WHERE notifications.id = :id
      AND off_since IS NULL
    """
)
# Entered for a user who is there; another address gets another secret.
SET = """
INSERT INTO public.notice_webhooks (user_id, url, secret)
SELECT id, %(url)s, %(secret)s
FROM public.users
WHERE id = %(user_id)s
ON CONFLICT (user_id) DO UPDATE
SET url = excluded.url,
    secret = excluded.secret,
    created_at = now(),
    off_since = NULL,
    why = NULL
"""
REMOVE = "DELETE FROM public.notice_webhooks WHERE user_id = %(user_id)s"
OFF = "UPDATE public.notice_webhooks SET off_since = now(), why = %(why)s WHERE user_id = %(user_id)s AND url = %(url)s"
FOUND = "SELECT url, created_at, off_since, why FROM public.notice_webhooks WHERE user_id = %(user_id)s"


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where a user's notices are posted; `off_since` when it said that it is gone."""

    url: str
    created_at: datetime
    off_since: datetime | None
    why: str | None


def set_webhook(tx: Connection[Any], user_id: int, url: str) -> str | None:
    """Post a user's notices to an address from now on. Returns the secret that they are signed
    with, which is told this once; None for a user who is not there. Raises WebhookRefused."""
    secret = f"whsec_{b64encode(secrets.token_bytes(24)).decode()}"
    done = tx.execute(SET, {"user_id": user_id, "url": checked(url), "secret": secret})
    return secret if done.rowcount == 1 else None


def remove_webhook(tx: Connection[Any], user_id: int) -> bool:
    """Post no more of a user's notices. False when none were."""
    return tx.execute(REMOVE, {"user_id": user_id}).rowcount == 1


def webhook(tx: Connection[Any], user_id: int) -> Webhook | None:
    """A user's webhook, without its secret."""
    rows = tx.execute(FOUND, {"user_id": user_id}).fetchall()
    return Webhook(*rows[0]) if rows else None


def post_to_webhooks(session: Session, told: Sequence[tuple[int, UUID]]) -> None:
    """Enqueue the posting of these notices, by user, in the caller's transaction."""
    deliveries.enqueue(post_notice, session, told, POSTED)


@job(
    queue="low",
    priority=BEHIND,
    tries=TRIES,
    backoff=exponential(30, maximum=timedelta(hours=6)),
    timeout=60,
    limit=at_most(AT_ONCE),
    fail_on=WebhookRefused,
)
def post_notice(session: Session, notification_id: str) -> dict[str, int]:
    """Post a notice to its user's webhook. One that is gone for good (410) is asked no more."""
    id = UUID(notification_id)
    row = session.execute(ROW, {"id": id}).one_or_none()
    if row is None:
        return {"no_webhook": 1}
    tx = in_transaction_of(session)
    body = orjson.dumps({"id": str(row.id), "type": row.kind, "timestamp": row.created_at, "data": row.data})
    try:
        post(row.url, str(row.id), int(time.time()), body, row.secret)
    except WebhookGone as gone:
        tx.execute(OFF, {"user_id": row.user_id, "url": row.url, "why": str(gone)})
        deliveries.log(tx, id, "webhook", "gone", str(gone))
        return {"gone": 1}
    except (WebhookDelayed, WebhookRefused) as error:
        outcome = "put off" if isinstance(error, WebhookDelayed) else "refused"
        deliveries.log_apart(id, "webhook", outcome, str(error))
        raise
    deliveries.log(tx, id, "webhook", "posted", None)
    return {"posted": 1}
