"""Restart the workers; have one of them be quiet, go on, or stop."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from forecourt.language import gettext as _
from forecourt.language import some
from forecourt.operations import fleet
from forecourt.store.search import LARGEST_ID
from forecourt.web.actions.common import needed
from forecourt.web.database import acting
from forecourt.web.flash import back
from forecourt.web.people import person_of
from forecourt.web.routes import Form
from forecourt.web.searching import whole_number


def restart(request: Request, form: Form) -> Response:
    """POST /workers/restart"""
    with acting() as tx:
        count = fleet.restart(tx, who=person_of(request).who)
    ending = some(count, "worker ends", "workers end")
    words = _("%(workers)s in order within seconds; whatever keeps them running starts them again.", workers=ending)
    return back(form, words, command="forecourt queue restart")


def quiet(request: Request, form: Form) -> Response:
    """POST /workers/quiet"""
    words = _("Worker %(id)s finishes what it runs, and claims nothing more.", id=form.get("worker", ""))
    return _ask(request, form, "quiet", words, undo=("/workers/resume", {"worker": form.get("worker", "")}))


def resume(request: Request, form: Form) -> Response:
    """POST /workers/resume"""
    return _ask(request, form, "resume", _("Worker %(id)s goes on.", id=form.get("worker", "")))


def stop(request: Request, form: Form) -> Response:
    """POST /workers/stop"""
    words = _("Worker %(id)s ends in order. Whatever keeps it running starts another.", id=form.get("worker", ""))
    return _ask(request, form, "stop", words)


def _ask(
    request: Request, form: Form, wish: fleet.Wish, words: str, undo: tuple[str, dict[str, str]] | None = None
) -> Response:
    worker = _worker(form)
    try:
        with acting() as tx:
            changed = fleet.ask(tx, worker, wish, who=person_of(request).who)
    except fleet.NoSuchWorker:
        raise HTTPException(404, _("No worker has the id %(id)s, or not any more", id=worker)) from None
    if not changed:
        return back(form, _("Worker %(id)s does so already, or is to stop.", id=worker))
    return back(form, words, command=f"forecourt queue worker {wish} {worker}", undo=undo)


def _worker(form: Form) -> int:
    text = needed(form, "worker")
    if (id := whole_number(text, LARGEST_ID)) is None:
        raise HTTPException(400, _("%(text)s is not the id of a worker", text=repr(text[:40])))
    return id
