"""Failed calls by error and job."""

from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from forecourt.language import gettext as _
from forecourt.store import failure_kinds
from forecourt.store.failure_kinds import MOST
from forecourt.web.page import page, reading, seen_before

A_PAGE = 50
"""Kinds that are listed."""

MOST_NEW = 100
"""Calls that failed since somebody looked are counted so far."""


def failures(request: Request) -> Response:
    """GET /failures"""
    queue = request.query_params.get("queue") or None
    with reading(request) as look:
        kinds = failure_kinds.kinds(look.tx, queue=queue, limit=A_PAGE + 1)
        newer = failure_kinds.newer(look.tx, since, queue=queue, most=MOST_NEW + 1) if (since := _seen(request)) else 0
    return page(
        request,
        look,
        "pages/failures.html",
        _("Failures"),
        below="pages/failures.list.html",
        seen=(kinds[0].last if kinds else datetime.min.replace(tzinfo=UTC)).isoformat(),
        newer=newer,
        most_new=MOST_NEW,
        kinds=kinds[:A_PAGE],
        more=len(kinds) > A_PAGE,
        queue=queue,
        total=sum(kind.calls for kind in kinds),
        most=MOST,
    )


def _seen(request: Request) -> datetime | None:
    """When the last call failed that the page's list shows, if this is a poll of such a page."""
    try:
        return datetime.fromisoformat(seen_before(request))
    except ValueError:
        return None
