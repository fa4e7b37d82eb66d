"""Restart the workers."""

from starlette.requests import Request
from starlette.responses import Response

from forecourt.language import gettext as _
from forecourt.language import some
from forecourt.operations import fleet
from forecourt.web.database import acting
from forecourt.web.flash import back
from forecourt.web.people import person_of
from forecourt.web.routes import Form


def restart(request: Request, form: Form) -> Response:
    """POST /workers/restart"""
    with acting() as tx:
        count = fleet.restart(tx, who=person_of(request).who)
    ending = some(count, "worker ends", "workers end")
    words = _("%(workers)s in order within seconds; whatever keeps them running starts them again.", workers=ending)
    return back(form, words, command="forecourt queue restart")
