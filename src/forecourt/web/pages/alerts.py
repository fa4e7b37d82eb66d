"""Who is told of troubles, of which, and whether it arrives: `forecourt alerts list` as a page."""

from starlette.requests import Request
from starlette.responses import Response

from forecourt.language import gettext as _
from forecourt.settings import settings
from forecourt.web.api import alerts as api
from forecourt.web.application import application
from forecourt.web.page import page, reading


def alerts(request: Request) -> Response:
    """GET /alerts"""
    app = application()
    with reading(request) as look:
        found = api.alerts(look.tx, app=app)
    return page(request, look, "pages/alerts.html", _("Alerts"), found=found, zone=settings().timezone)
