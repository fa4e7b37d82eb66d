"""Retry or forget all failed calls of a kind: few at once, many as a call in the background."""

from datetime import datetime

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from forecourt.language import gettext as _
from forecourt.operations.calls import Action
from forecourt.store import matching
from forecourt.store.search import Search
from forecourt.web.actions.common import meant
from forecourt.web.actions.matching import do
from forecourt.web.database import reading
from forecourt.web.matching_command import command
from forecourt.web.routes import Form


def retry(request: Request, form: Form) -> Response:
    """POST /failures/retry"""
    return _act(request, form, "retry")


def forget(request: Request, form: Form) -> Response:
    """POST /failures/forget"""
    chosen = _chosen(form)
    with reading() as look:
        meant(form, chosen.error or "", matching.count(look.tx, chosen))
    return _act(request, form, "forget")


def _act(request: Request, form: Form, action: Action) -> Response:
    chosen = _chosen(form)
    return do(request, form, action, chosen, command(action, form, chosen))


def _chosen(form: Form) -> Search:
    since = form.get("since")
    try:
        instant = datetime.fromisoformat(since) if since else None
    except ValueError:
        raise HTTPException(400, _("%(text)s is not an instant", text=repr(since))) from None
    if instant is not None and instant.tzinfo is None:
        raise HTTPException(400, _("%(text)s has no offset from UTC", text=repr(since)))
    chosen = Search(
        state="failed",
        job=form.get("job") or None,
        queue=form.get("queue") or None,
        error=form.get("error") or None,
        first=instant,
    )
    if not chosen.filters:
        raise HTTPException(400, _("The form names neither a job, nor a queue, nor an error, nor a time"))
    return chosen
