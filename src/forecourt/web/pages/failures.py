"""Failed calls by error and job."""

from starlette.requests import Request
from starlette.responses import Response

from forecourt.language import gettext as _
from forecourt.store import failure_kinds
from forecourt.store.failure_kinds import MOST
from forecourt.web.page import page, reading

A_PAGE = 50
"""Kinds that are listed."""


def failures(request: Request) -> Response:
    """GET /failures"""
    queue = request.query_params.get("queue") or None
    with reading(request) as look:
        kinds = failure_kinds.kinds(look.tx, queue=queue, limit=A_PAGE + 1)
    return page(
        request,
        look,
        "pages/failures.html",
        _("Failures"),
        kinds=kinds[:A_PAGE],
        more=len(kinds) > A_PAGE,
        queue=queue,
        total=sum(kind.calls for kind in kinds),
        most=MOST,
    )
