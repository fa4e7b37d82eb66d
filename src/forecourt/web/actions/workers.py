"""Restart the workers."""

from starlette.requests import Request
from starlette.responses import Response

from forecourt.operations import fleet
from forecourt.web.database import acting
from forecourt.web.page import back
from forecourt.web.people import person_of
from forecourt.web.routes import Form
from forecourt.web.words import some


def restart(request: Request, form: Form) -> Response:
    """POST /workers/restart"""
    with acting() as tx:
        count = fleet.restart(tx, who=person_of(request).who)
    ending = some(count, "worker ends", "workers end")
    return back(
        form,
        f"{ending} in order within seconds; whatever keeps them running starts them again.",
        command="forecourt queue restart",
    )
