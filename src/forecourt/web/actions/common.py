"""What the actions share: reading forms, and saying why not."""

from datetime import datetime, timedelta
from math import ceil

from psycopg import Connection
from starlette.exceptions import HTTPException

from forecourt.language import gettext as _
from forecourt.language import some
from forecourt.store import pauses, tasks
from forecourt.store.pauses import Kind
from forecourt.store.search import LARGEST_ID
from forecourt.web.dates import clock
from forecourt.web.routes import Form
from forecourt.web.searching import whole_number

LONGEST_PAUSE = 366 * 24 * 60
"""Minutes."""


def needed(form: Form, name: str) -> str:
    """A field that must be there. Raises HTTPException."""
    if not form.get(name):
        raise HTTPException(400, _("The form says nothing of %(name)s", name=repr(name)))
    return form[name]


def until(tx: Connection[tuple[object, ...]], form: Form) -> datetime | None:
    """When a pause ends, by the database's clock; None for until somebody resumes."""
    text = form.get("minutes", "")
    if not text:
        return None
    if (minutes := whole_number(text, LONGEST_PAUSE)) is None:
        raise HTTPException(400, _("%(text)s is not a number of minutes, up to a year", text=repr(text)))
    return tasks.now(tx) + timedelta(minutes=minutes)


def as_paused(tx: Connection[tuple[object, ...]], kind: Kind, name: str) -> Form:
    """The fields of the form that would pause something as it is paused now; none if it is not."""
    halted = pauses.in_force(tx).get((kind, name))
    if halted is None:
        return {}
    left = {} if halted.until is None else {"minutes": str(ceil((halted.until - tasks.now(tx)) / timedelta(minutes=1)))}
    return {"why": halted.why} | left


def paused(what: str, end: datetime | None) -> str:
    """That something is paused, and until when, by the clock on the wall."""
    return (
        _("%(what)s is paused until %(time)s.", what=what, time=clock(end))
        if end
        else _("%(what)s is paused.", what=what)
    )


def meant(form: Form, expected: str, count: int) -> None:
    """For what ends or destroys more than a thousand calls: its name has been typed. Raises
    HTTPException.
    """
    if count > 1000 and form.get("typed", "").strip() != expected:
        calls = some(count, "call", "calls")
        words = _(
            "This concerns %(calls)s. Type %(name)s to go on; nothing was changed", calls=calls, name=repr(expected)
        )
        raise HTTPException(409, words)


def ids_of(text: str) -> list[int]:
    """The ids of calls that were ticked. Raises HTTPException."""
    words = [word for word in text.split(",") if word]
    if not words:
        raise HTTPException(400, _("No call is selected"))
    ids = set()
    for word in words:
        if (id := whole_number(word, LARGEST_ID)) is None:
            raise HTTPException(400, _("An id of a call is a number"))
        ids.add(id)
    return sorted(ids)
