"""A notice in two lines, for the channels that reach a reader at once and are no mail: what it is
about, what it says, and where its reader can act.
"""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from forecourt.database import in_transaction_of
from forecourt.marketplace import letters
from forecourt.marketplace.address import public_address
from forecourt.marketplace.business import business
from forecourt.marketplace.delivery import put_off_while_quiet
from forecourt.marketplace.digests import facts_now
from forecourt.marketplace.kinds import STORED, Notice
from forecourt.marketplace.notice_preferences import Channel, wish

NEWS = timedelta(days=1)
"""What could not be told within it is none any more; in the app it stands for good."""

ROW = text(
    """
    SELECT user_id, kind, data, read_at, notifications.created_at, name, locale, timezone, clock_timestamp() AS now
    FROM notifications
    JOIN users ON users.id = notifications.user_id
    WHERE notifications.id = :id
    """
)


@dataclass(frozen=True, slots=True)
class News:
    """What is told, in the reader's language. `link` is an absolute address, `left` for how long
    it is news.
    """

    id: UUID
    kind: str
    title: str
    body: str
    link: str
    language: str
    direction: str
    created_at: datetime
    left: timedelta


def news(session: Session, id: UUID, channel: Channel) -> News | str:
    """The notice as it is true now; or why it is not told by this channel, in words.

    Raises Release in the reader's quiet hours, NoPublicAddress, and TemplateError for a template of
    one's own that is wrong.
    """
    row = session.execute(ROW, {"id": id}).one_or_none()
    if row is None:
        return "the notice is gone"
    notice: Notice = STORED[row.kind].validate_python(row.data)
    left = row.created_at + NEWS - row.now
    if row.read_at is not None:
        return "it was read in the app"
    if left <= timedelta():
        return "it is older than a day"
    if wish(in_transaction_of(session), row.user_id, row.kind, channel) == "never":
        return f"the user wants nothing of this kind by {channel}"
    if not session.scalar(text(notice.still_true), asdict(notice)):
        return notice.moot
    reader = letters.Reader.of(row.name, row.locale, row.timezone)
    put_off_while_quiet(row.now, reader, business(session).quiet_hours)
    title, body = letters.line(notice.kind, reader, facts_now(session, notice))
    link = public_address() + notice.path
    return News(id, row.kind, title, body, link, reader.language, reader.direction, row.created_at, left)
