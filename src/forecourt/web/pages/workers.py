"""The workers, and what each of them runs."""

from starlette.requests import Request
from starlette.responses import Response

from forecourt.doctor.work import DEAD
from forecourt.language import gettext as _
from forecourt.store import activity
from forecourt.version import __version__
from forecourt.web.page import page, reading


def workers(request: Request) -> Response:
    """GET /workers"""
    with reading(request) as look:
        found = activity.of_workers(look.tx)
    return page(
        request,
        look,
        "pages/workers.html",
        _("Workers"),
        workers=found,
        dead=DEAD,
        alive=any(worker.silent <= DEAD for worker in found),
        ours=__version__,
        slots=sum(worker.slots for worker in found),
        busy=sum(worker.busy for worker in found),
    )
