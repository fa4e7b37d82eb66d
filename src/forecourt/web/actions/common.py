"""What the actions share: reading forms, and saying why not."""

from datetime import datetime, timedelta

from psycopg import Connection
from starlette.exceptions import HTTPException

from forecourt.store import tasks
from forecourt.web.routes import Form

LONGEST_PAUSE = 366 * 24 * 60
"""Minutes."""


def needed(form: Form, name: str) -> str:
    """A field that must be there. Raises HTTPException."""
    if not form.get(name):
        raise HTTPException(400, f"The form says nothing of {name!r}")
    return form[name]


def until(tx: Connection[tuple[object, ...]], form: Form) -> datetime | None:
    """When a pause ends, by the database's clock; None for until somebody resumes."""
    minutes = form.get("minutes", "")
    if not minutes:
        return None
    if not (minutes.isascii() and minutes.isdigit() and 0 < int(minutes[:9]) <= LONGEST_PAUSE):
        raise HTTPException(400, f"{minutes!r} is not a number of minutes, up to a year")
    return tasks.now(tx) + timedelta(minutes=int(minutes))


def meant(form: Form, expected: str, count: int) -> None:
    """For what destroys more than a thousand rows: its name has been typed. Raises HTTPException."""
    if count > 1000 and form.get("typed", "").strip() != expected:
        raise HTTPException(409, f"This would remove {count:,} calls. Type {expected!r} to go on; nothing was removed")


def ids_of(text: str) -> list[int]:
    """The ids of calls that were ticked. Raises HTTPException."""
    words = [word for word in text.split(",") if word]
    if not words:
        raise HTTPException(400, "No call is selected")
    if any(not (word.isascii() and word.isdigit() and 0 < int(word[:20]) < 2**63) for word in words):
        raise HTTPException(400, "An id of a call is a number")
    return sorted({int(word) for word in words})
