"""Web Push: each notice is shown in the browsers in which its user wants that, once the transaction
that tells it is committed.

Each browser is a call of its own, so one service that is away holds up no other. A message that is
sent twice, because an answer was lost, takes the place of the first while that has not been shown:
both have the same topic.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
from psycopg import Connection
from sqlalchemy import text
from sqlalchemy.orm import Session

from forecourt import Release, at_most, exponential, job
from forecourt.database import in_transaction_of
from forecourt.marketplace import deliveries
from forecourt.marketplace.news import news
from forecourt.marketplace.posting import WebhookDelayed, WebhookRefused, answer_to, checked
from forecourt.marketplace.push_messages import new_keys, our_word, payload, sealed

AT_ONCE = 2
BEHIND = 10
LONGEST_WAIT = 3600
"""Seconds of a Retry-After that are believed."""

OF_USERS = text("SELECT id, user_id FROM push_subscriptions WHERE user_id = ANY (:users) ORDER BY id")
ROW = text(
    """
    SELECT endpoint, p256dh, auth, private_key
    FROM push_subscriptions
    LEFT JOIN push_keys ON true
    WHERE id = :id
    """
)
KEEP_KEYS = """
INSERT INTO public.push_keys (public_key, private_key)
VALUES (%(public)s, %(private)s)
ON CONFLICT (only_one) DO NOTHING
"""
PUBLIC_KEY = "SELECT public_key FROM public.push_keys"
SUBSCRIBE = "SELECT public.subscribe_to_push(%(user_id)s, %(subscription)s::jsonb)"
UNSUBSCRIBE = "SELECT public.unsubscribe_from_push(%(endpoint)s)"
END = "DELETE FROM public.push_subscriptions WHERE id = %(id)s AND endpoint = %(endpoint)s"
COUNT = "SELECT count(*) FROM public.push_subscriptions"


class PushRefused(Exception):
    """The service does not take this message, and would not take it later."""


class PushDelayed(Exception):
    """The service did not take the message now: try again later."""


def make_keys(tx: Connection[Any]) -> tuple[str, bool]:
    """The public key, with which browsers subscribe; and whether the pair was made just now, in the
    caller's transaction. Raises PushMissing.
    """
    made = False
    if not tx.execute(PUBLIC_KEY).fetchall():
        public, private = new_keys()
        made = tx.execute(KEEP_KEYS, {"public": public, "private": private}).rowcount == 1
    return str(tx.execute(PUBLIC_KEY).fetchall()[0][0]), made


def subscriptions(tx: Connection[Any]) -> int:
    """How many browsers are told."""
    return int(tx.execute(COUNT).fetchall()[0][0])


def subscribe(tx: Connection[Any], user_id: int, subscription: dict[str, Any]) -> int | None:
    """Tell a user in a browser, named as PushSubscription.toJSON() names it, and nobody else in it.
    Returns the subscription's id; None for a user who is not there. Raises WebhookRefused for an
    endpoint to which nothing is posted, and CheckViolation for keys that are none."""
    checked(subscription["endpoint"])
    given = {"user_id": user_id, "subscription": orjson.dumps(subscription).decode()}
    found = tx.execute(SUBSCRIBE, given).fetchall()[0][0]
    return None if found is None else int(found)


def unsubscribe(tx: Connection[Any], endpoint: str) -> bool:
    """Tell nobody in this browser any more. False when nobody was."""
    return bool(tx.execute(UNSUBSCRIBE, {"endpoint": endpoint}).fetchall()[0][0])


def push(session: Session, told: Sequence[tuple[int, UUID]]) -> None:
    """Enqueue these notices, by user, for each of their browsers, in the caller's transaction."""
    if not told:
        return
    browsers = defaultdict[int, list[int]](list)
    for browser, user in session.execute(OF_USERS, {"users": [user for user, _ in told]}):
        browsers[user].append(browser)
    # Without dashes: whoever looks for the calls of lost mails must not take these for them.
    push_notice.using(session=session).dispatch_many(
        [
            {"notification_id": id.hex, "subscription_id": browser}
            for user, id in told
            for browser in browsers.get(user, ())
        ]
    )


@job(
    queue="low",
    priority=BEHIND,
    tries=10,
    backoff=exponential(30, maximum=timedelta(hours=4)),
    timeout=60,
    limit=at_most(AT_ONCE),
    fail_on=(PushRefused, WebhookRefused),
)
def push_notice(session: Session, notification_id: str, subscription_id: int) -> dict[str, int]:
    """Hand a notice to the push service of one browser. A subscription that is over (404, 410) is
    removed.
    """
    id = UUID(notification_id)
    row = session.execute(ROW, {"id": subscription_id}).one_or_none()
    if row is None:
        return {"no_subscription": 1}
    tx = in_transaction_of(session)
    told = news(session, id, "push")
    if isinstance(told, str):
        deliveries.log(tx, id, "push", "suppressed", told)
        return {"suppressed": 1}
    try:
        status, wait = _sent(row, payload(told), id.hex, int(told.left.total_seconds()))
        if status in (404, 410):
            tx.execute(END, {"id": subscription_id, "endpoint": row.endpoint})
            deliveries.log(tx, id, "push", "gone", f"the push service answered {status}: the subscription is over")
            return {"gone": 1}
        if not 200 <= status < 300:
            kind = PushDelayed if status == 429 or status >= 500 else PushRefused
            raise kind(f"the push service answered {status}")
    except (PushDelayed, PushRefused, WebhookDelayed, WebhookRefused) as error:
        later = isinstance(error, PushDelayed | WebhookDelayed)
        deliveries.log_apart(id, "push", "put off" if later else "refused", str(error))
        if isinstance(error, PushDelayed) and (seconds := _seconds(wait)):
            raise Release(seconds, str(error)) from None
        raise
    deliveries.log(tx, id, "push", "pushed", None)
    return {"pushed": 1}


def _sent(row: Any, message: bytes, topic: str, lasts: int) -> tuple[int, str | None]:
    """Status and Retry-After of the service's answer."""
    if row.private_key is None:
        raise PushRefused("there are no keys to sign with; make them with: forecourt notices push keys")
    try:
        body = sealed(message, row.p256dh, row.auth)
    except ValueError as error:
        raise PushRefused(f"the subscription's keys are none: {error}") from error
    headers = {
        "Authorization": our_word(row.endpoint, row.private_key),
        "Content-Encoding": "aes128gcm",
        "Content-Type": "application/octet-stream",
        "TTL": str(lasts),
        "Topic": topic,
        "Urgency": "normal",
    }
    return answer_to(row.endpoint, body, headers)


def _seconds(written: str | None) -> int:
    """A Retry-After in seconds; 0 for none, or one that is a date."""
    return min(int(written), LONGEST_WAIT) if written and written.isascii() and written.isdigit() else 0
