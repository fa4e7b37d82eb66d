"""The log of deliveries: each try to bring a notice to its reader, by which channel, and what came
of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row
from sqlalchemy import TextClause
from sqlalchemy.orm import Session

from forecourt import Job
from forecourt.database import in_transaction_of
from forecourt.database import session as transaction

Channel: TypeAlias = Literal["mail", "webhook", "push", "apprise"]

LOG = """
INSERT INTO public.notice_deliveries (notification_id, channel, outcome, detail)
SELECT id, %(channel)s, %(outcome)s, left(%(detail)s, 1000)
FROM public.notifications
WHERE id = %(id)s
"""
LOGGED = """
SELECT at, notification_id, user_id, kind, channel, outcome, detail
FROM public.notice_deliveries AS log
JOIN public.notifications ON notifications.id = notification_id
WHERE %(id)s::uuid IS NULL
   OR notification_id = %(id)s
ORDER BY log.id DESC
LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One try."""

    at: datetime
    notification_id: UUID
    user_id: int
    kind: str
    channel: str
    outcome: str
    detail: str | None


def log(
    tx: Connection[Any],
    notification: UUID,
    channel: Channel,
    outcome: str,
    detail: str | None,
) -> None:
    """Note a try, in the caller's transaction."""
    tx.execute(LOG, {"id": notification, "channel": channel, "outcome": outcome, "detail": detail})


def log_apart(notification: UUID, channel: Channel, outcome: str, detail: str) -> None:
    """Note a try in a transaction of its own: whatever becomes of the call's."""
    with transaction() as own:
        log(in_transaction_of(own), notification, channel, outcome, detail)


def enqueue(job: Job[..., Any], session: Session, told: Sequence[tuple[int, UUID]], reached: TextClause) -> None:
    """Enqueue a job for each of these notices, by user, in the caller's transaction: of the users
    whom `reached` finds among `:users`.
    """
    if not told:
        return
    users = set(session.scalars(reached, {"users": [user for user, _ in told]}))
    # Without dashes: whoever looks for the calls of lost mails must not take these for them.
    job.using(session=session).dispatch_many([{"notification_id": id.hex} for user, id in told if user in users])


def logged(tx: Connection[Any], notification: UUID | None = None, *, limit: int = 100) -> list[Delivery]:
    """The tries, newest first; of one notice, or of all."""
    with tx.cursor(row_factory=class_row(Delivery)) as cursor:
        return cursor.execute(LOGGED, {"id": notification, "limit": limit}).fetchall()
