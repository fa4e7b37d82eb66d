"""Where a page ended, as text that means nothing to whoever carries it to the next one."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime

from forecourt.store.search import LARGEST_ID
from forecourt.web.api.errors import Unreadable


def write(id: int, at: datetime | None = None) -> str:
    """The cursor after this row."""
    return urlsafe_b64encode(f"{id}|{at.isoformat() if at else ''}".encode()).decode()


def read(text: str | None) -> tuple[int | None, datetime | None]:
    """The row after which the page begins; nothing for the first page. Raises Unreadable."""
    if text is None:
        return None, None
    try:
        id, _, at = urlsafe_b64decode(text.encode()).decode().partition("|")
        number, instant = int(id[:20]), datetime.fromisoformat(at) if at else None
    except (ValueError, UnicodeError):
        number, instant = 0, None
    if not 0 < number <= LARGEST_ID or (instant is not None and instant.tzinfo is None):
        raise Unreadable("cursor: this is not one; take the `next` of the page before, as it is")
    return number, instant
