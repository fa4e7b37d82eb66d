"""Failed calls by error and job."""

from starlette.requests import Request
from starlette.responses import Response

from forecourt.store import failure_kinds
from forecourt.store.failure_kinds import MOST
from forecourt.web.page import page, reading


def failures(request: Request) -> Response:
    """GET /failures"""
    queue = request.query_params.get("queue") or None
    with reading(request) as look:
        kinds = failure_kinds.kinds(look.tx, queue=queue)
    return page(
        request,
        look,
        "pages/failures.html",
        "Failures",
        kinds=kinds,
        queue=queue,
        total=sum(kind.calls for kind in kinds),
        most=MOST,
    )
