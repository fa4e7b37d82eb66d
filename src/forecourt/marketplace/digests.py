"""Digests: one mail for several notices, because their reader wants it so, because the day's mails
are used up, or because they were told in the same moment.

A digest is itself a notice, delivered like any other; in the app it is read from the start, since
what it tells stands there already. What is no longer true when it is sent is left out, and a digest
of nothing is not sent.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, time
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

from forecourt.database import in_transaction_of
from forecourt.marketplace import letters
from forecourt.marketplace.kinds import STORED, Digest, Notice
from forecourt.marketplace.notice_preferences import wish_of, wishes
from forecourt.settings import settings

MOST_LINES = 50

COMBINE = text(
    """
    WITH made AS (
        INSERT INTO notifications (user_id, kind, data, dedupe_key, read_at)
        VALUES (:user_id, 'digest', CAST(:data AS jsonb), :dedupe_key, now())
        ON CONFLICT (dedupe_key) DO NOTHING
        RETURNING id
    )
    UPDATE notifications
    SET mail_status = 'digest',
        mail_reason = 'it is told with others, in one mail',
        digest = made.id
    FROM made
    WHERE notifications.id = ANY (CAST(:ids AS uuid[]))
    RETURNING made.id
    """
)
ENTRIES = text(
    """
    SELECT id, kind, data
    FROM notifications
    WHERE digest = :digest
      AND mail_status <> 'suppressed'
    ORDER BY created_at, id
    """
)
LEAVE_OUT = text(
    """
    UPDATE notifications
    SET mail_status = 'suppressed',
        mail_reason = :reason
    WHERE id = :id
    """
)
WAITING = text(
    """
    SELECT users.id, users.timezone, array_agg(notifications.id ORDER BY notifications.created_at) AS notices, now() AS now
    FROM notifications
    JOIN users ON users.id = notifications.user_id
    WHERE mail_status = 'digest'
      AND digest IS NULL
    GROUP BY users.id
    ORDER BY users.id
    """
)


def combine(session: Session, user_id: int, notices: Sequence[UUID], of: str) -> UUID | None:
    """Let one mail tell these notices of a user; `of` says which digest it is. Returns its id, or
    None when it was made before.
    """
    digest = Digest(of)
    made: UUID | None = session.scalars(
        COMBINE,
        {
            "user_id": user_id,
            "data": orjson.dumps(asdict(digest)).decode(),
            "dedupe_key": digest.dedupe_key,
            "ids": list(notices),
        },
    ).first()
    return made


def due(session: Session, at: time) -> list[tuple[int, list[UUID], str]]:
    """Whose digest is due by their own clocks, with the notices that wait for it and its name: one
    for each day of theirs.
    """
    found = []
    for row in session.execute(WAITING):
        now: datetime = row.now.astimezone(letters.Reader.of(None, None, row.timezone).zone)
        if now.time() >= at:
            found.append((row.id, list(row.notices), f"{row.id}:{now.date()}"))
    return found


def lines(session: Session, digest: UUID, user_id: int, reader: letters.Reader) -> dict[str, Any]:
    """What a digest's mail tells: a label and a line for each notice that is still true and wanted,
    and how many more there are.
    """
    wanted = wishes(in_transaction_of(session), user_id)
    entries = []
    for row in session.execute(ENTRIES, {"digest": digest}).all():
        notice: Notice = STORED[row.kind].validate_python(row.data)
        if wish_of(wanted, row.kind) == "never":
            session.execute(LEAVE_OUT, {"id": row.id, "reason": "the user wants no mails of this kind"})
        elif not session.scalar(text(notice.still_true), asdict(notice)):
            session.execute(LEAVE_OUT, {"id": row.id, "reason": notice.moot})
        else:
            entries.append((row.kind, facts_now(session, notice)))
    return {
        "lines": [letters.line(kind, reader, facts) for kind, facts in entries[:MOST_LINES]],
        "count": len(entries),
        "more": max(0, len(entries) - MOST_LINES),
    }


def facts_now(session: Session, notice: Notice) -> dict[str, Any]:
    """The notice's facts, and those that may have changed since as they are."""
    facts = asdict(notice)
    if notice.now is not None:
        found = session.execute(text(notice.now), facts | {"zone": settings().timezone}).mappings().one_or_none()
        facts |= found or {}
    return facts
