"""What is to be told of troubles, by which channel, and what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from psycopg import Connection
from psycopg.rows import class_row

from forecourt.store.alerts import KEEP

GIVE_UP = 24
"""Hours after which a message that could not be sent is left to its failed call."""

ENTER = """
INSERT INTO forecourt.alert_messages (channel, content)
VALUES (%(channel)s, %(content)s::jsonb)
RETURNING id
"""

TAKE = """
SELECT id, created_at, channel, content
FROM forecourt.alert_messages
WHERE id = %(id)s
  AND sent_at IS NULL
FOR UPDATE SKIP LOCKED
"""

IS_UNSENT = "SELECT EXISTS (SELECT FROM forecourt.alert_messages WHERE id = %(id)s AND sent_at IS NULL)"

SENT = """
UPDATE forecourt.alert_messages
SET sent_at = clock_timestamp(),
    told = %(told)s
WHERE id = %(id)s
"""

SENT_BY = "UPDATE forecourt.alert_messages SET call_id = %(call)s WHERE id = %(id)s"

REFUSED = """
UPDATE forecourt.alert_messages
SET error = left(%(error)s, 1000)
WHERE id = %(id)s
  AND sent_at IS NULL
"""

# Each time after twice as long, up to an hour: whoever refused it is not asked each minute of a
# night.
TRY = """
UPDATE forecourt.alert_messages
SET tried_at = now()
WHERE id IN (
    SELECT id
    FROM forecourt.alert_messages
    WHERE sent_at IS NULL
      AND created_at <= now() - make_interval(secs => %(patience)s)
      AND created_at > now() - make_interval(hours => %(give_up)s)
      AND (tried_at IS NULL OR tried_at < now() - least(interval '1 hour', greatest(interval '1 minute', tried_at - created_at)))
    ORDER BY id
    LIMIT 20
    FOR UPDATE SKIP LOCKED
)
RETURNING id
"""

# Of a message that is not sent its call says why, and is asked by its id only.
LATEST = """
SELECT m.id, m.created_at, m.sent_at, m.channel, m.content, m.told, m.call_id, coalesce(c.why, m.error) AS error
FROM forecourt.alert_messages AS m
LEFT JOIN LATERAL (
    SELECT concat_ws(': ', f.error, f.message) AS why
    FROM forecourt.failed AS f
    WHERE f.id = m.call_id
    UNION ALL
    SELECT concat_ws(': ', a.history -> -1 ->> 'error', a.history -> -1 ->> 'message')
    FROM (
        SELECT history FROM forecourt.scheduled WHERE id = m.call_id
        UNION ALL
        SELECT history FROM forecourt.ready WHERE id = m.call_id
        UNION ALL
        SELECT history FROM forecourt.running WHERE id = m.call_id
    ) AS a
    WHERE jsonb_array_length(a.history) > 0
) AS c ON m.sent_at IS NULL
ORDER BY m.id DESC
LIMIT %(limit)s
"""

PRUNE = "DELETE FROM forecourt.alert_messages WHERE created_at < now() - make_interval(days => %(keep)s)"


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be told by one channel."""

    id: int
    created_at: datetime
    channel: str
    content: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kept:
    """A message, to whom it went once it was sent, the call that sends it, and why it could not be
    sent so far.
    """

    id: int
    created_at: datetime
    sent_at: datetime | None
    channel: str
    content: dict[str, Any]
    told: list[str]
    call_id: int | None
    error: str | None


def enter(tx: Connection[Any], channel: str, content: dict[str, Any]) -> int:
    """Have a message told, and forget what was told long ago. Returns its id."""
    tx.execute(PRUNE, {"keep": KEEP})
    return int(tx.execute(ENTER, {"channel": channel, "content": orjson.dumps(content).decode()}).fetchall()[0][0])


def take(tx: Connection[Any], id: int) -> Message | None:
    """Hold a message that has not been sent until the transaction ends; None when it has, or
    somebody else holds it.
    """
    with tx.cursor(row_factory=class_row(Message)) as cursor:
        return cursor.execute(TAKE, {"id": id}).fetchone()


def is_unsent(tx: Connection[Any], id: int) -> bool:
    """Whether a message has still to be sent, by whomever."""
    return bool(tx.execute(IS_UNSENT, {"id": id}).fetchall()[0][0])


def sent(tx: Connection[Any], id: int, told: Sequence[str]) -> None:
    """Note, while it is held, that a message has been sent, and to whom."""
    tx.execute(SENT, {"id": id, "told": list(told)})


def sent_by(tx: Connection[Any], id: int, call: int) -> None:
    """Note which call is to send a message."""
    tx.execute(SENT_BY, {"id": id, "call": call})


def refused(tx: Connection[Any], id: int, error: str) -> None:
    """Note why a message could not be sent."""
    tx.execute(REFUSED, {"id": id, "error": error})


def left_over(tx: Connection[Any], patience: float) -> list[int]:
    """Messages that no worker has sent within so many seconds, for whoever tries now; each comes
    back after a while.
    """
    return sorted(row[0] for row in tx.execute(TRY, {"patience": patience, "give_up": GIVE_UP}))


def latest(tx: Connection[Any], limit: int) -> list[Kept]:
    """The latest messages, newest first."""
    with tx.cursor(row_factory=class_row(Kept)) as cursor:
        return cursor.execute(LATEST, {"limit": limit}).fetchall()
