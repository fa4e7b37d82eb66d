"""Pause, resume and clear a queue."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from forecourt.language import gettext as _
from forecourt.language import some
from forecourt.operations import calls, pausing
from forecourt.store import waiting
from forecourt.web.actions.common import as_paused, meant, needed, paused, until
from forecourt.web.database import acting
from forecourt.web.flash import back
from forecourt.web.people import person_of
from forecourt.web.routes import Form
from forecourt.web.templating import shell


def pause(request: Request, form: Form) -> Response:
    """POST /queues/pause"""
    queue, why = needed(form, "queue"), form.get("why", "")
    with acting() as tx:
        end = until(tx, form)
        pausing.pause(tx, "queue", queue, until=end, why=why, who=person_of(request).who)
    minutes = ("--for", form["minutes"]) if end else ()
    return back(
        form,
        paused(_("Queue %(name)s", name=queue), end) + " " + _("What runs goes on, what comes waits."),
        command=shell("forecourt", "queue", "pause", queue, *minutes, *(("--why", why) if why else ())),
        undo=("/queues/resume", {"queue": queue}),
    )


def resume(request: Request, form: Form) -> Response:
    """POST /queues/resume"""
    queue = needed(form, "queue")
    with acting() as tx:
        before = as_paused(tx, "queue", queue)
        if not pausing.resume(tx, "queue", queue, who=person_of(request).who):
            return back(form, _("Queue %(name)s was not paused any more.", name=queue))
    return back(
        form,
        _("Queue %(name)s goes on.", name=queue),
        command=shell("forecourt", "queue", "resume", queue),
        undo=("/queues/pause", {"queue": queue} | before),
    )


def clear(request: Request, form: Form) -> Response:
    """POST /queues/clear"""
    queue = needed(form, "queue")
    with acting() as tx:
        count = waiting.count(tx, queue)
        meant(form, queue, count)
        removed = calls.clear(tx, queue, who=person_of(request).who)
    if removed == 0:
        raise HTTPException(409, _("Nothing waits in %(queue)s any more", queue=queue))
    return back(
        form,
        _("%(calls)s removed from %(queue)s.", calls=some(removed, "call", "calls"), queue=queue),
        command=shell("forecourt", "queue", "clear", queue),
    )
