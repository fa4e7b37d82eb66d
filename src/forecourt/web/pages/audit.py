"""Who did what."""

from starlette.requests import Request
from starlette.responses import Response

from forecourt.language import gettext as _
from forecourt.store import trail
from forecourt.web.page import page, reading
from forecourt.web.searching import LARGEST_ID, whole_number

A_PAGE = 100


def audit(request: Request) -> Response:
    """GET /audit"""
    before = whole_number(request.query_params.get("before", ""), LARGEST_ID)
    with reading(request) as look:
        found = trail.entries(look.tx, before=before, limit=A_PAGE + 1)
    following = found[A_PAGE - 1].id if len(found) > A_PAGE else None
    return page(request, look, "pages/audit.html", _("Audit"), entries=found[:A_PAGE], following=following)
