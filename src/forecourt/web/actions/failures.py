"""Retry or forget all failed calls of a kind: few at once, many as a call in the background."""

from datetime import datetime

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from forecourt.language import gettext as _
from forecourt.language import some
from forecourt.operations import bulk, failures
from forecourt.operations.failures import PORTION, Action
from forecourt.store import failed
from forecourt.store.failed import Filter
from forecourt.web.actions.common import meant
from forecourt.web.application import application
from forecourt.web.database import acting
from forecourt.web.flash import back
from forecourt.web.people import person_of
from forecourt.web.routes import Form
from forecourt.web.templating import shell


def retry(request: Request, form: Form) -> Response:
    """POST /failures/retry"""
    return _act(request, form, "retry")


def forget(request: Request, form: Form) -> Response:
    """POST /failures/forget"""
    return _act(request, form, "forget")


def _act(request: Request, form: Form, action: Action) -> Response:
    chosen, who = _filter(form), person_of(request).who
    command = _command(action, chosen)
    with acting() as tx:
        ids = failed.selected(tx, chosen)
        if not ids:
            raise HTTPException(409, _("No failed call fits any more; nothing was changed"))
        if action == "forget":
            meant(form, chosen.error or "", len(ids))
        if len(ids) <= PORTION:
            count = failures.act(tx, action, ids, who=who)
            did = some(count, "call", "calls")
            words = (
                _("%(calls)s ready again.", calls=did) if action == "retry" else _("%(calls)s forgotten.", calls=did)
            )
            if count < len(ids):
                words += " " + _("%(count)s stay: a call with the same unique key lives.", count=len(ids) - count)
            return back(form, words, command=command)
        call = bulk.start(
            tx, action, chosen, who=who, queue=bulk.least_urgent(tx, application().queues), count=len(ids)
        )
    calls = some(len(ids), "call is", "calls are")
    retried = _("%(calls)s being retried by this call.", calls=calls)
    forgotten = _("%(calls)s being forgotten by this call.", calls=calls)
    return back(
        form | {"back": f"/calls/{call.id}"},
        retried if action == "retry" else forgotten,
        command=command,
        undo=(f"/calls/{call.id}/cancel", {}),
    )


def _filter(form: Form) -> Filter:
    since = form.get("since")
    try:
        instant = datetime.fromisoformat(since) if since else None
    except ValueError:
        raise HTTPException(400, _("%(text)s is not an instant", text=repr(since))) from None
    if instant is not None and instant.tzinfo is None:
        raise HTTPException(400, _("%(text)s has no offset from UTC", text=repr(since)))
    chosen = Filter(
        job=form.get("job") or None, queue=form.get("queue") or None, error=form.get("error") or None, since=instant
    )
    if chosen == Filter():
        raise HTTPException(400, _("The form names neither a job, nor a queue, nor an error, nor a time"))
    return chosen


def _command(action: Action, chosen: Filter) -> str:
    options = {
        "--job": chosen.job,
        "--queue": chosen.queue,
        "--error": chosen.error,
        "--since": chosen.since and chosen.since.isoformat(),
    }
    given = [part for option, value in options.items() if value for part in (option, value)]
    return shell("forecourt", "queue", "retry" if action == "retry" else "flush", *given)
