"""Who did what."""

from starlette.requests import Request
from starlette.responses import Response

from forecourt.language import gettext as _
from forecourt.store import trail
from forecourt.store.search import LARGEST_ID
from forecourt.store.trail import Entry
from forecourt.web.page import NOTHING_SEEN, page, reading, seen_before
from forecourt.web.searching import whole_number

A_PAGE = 100


def audit(request: Request) -> Response:
    """GET /audit"""
    before = whole_number(request.query_params.get("before", ""), LARGEST_ID)
    with reading(request) as look:
        found = trail.entries(look.tx, before=before, limit=A_PAGE + 1)
    following = found[A_PAGE - 1].id if len(found) > A_PAGE else None
    return page(
        request,
        look,
        "pages/audit.html",
        _("Audit"),
        below="pages/audit.list.html",
        seen="" if before else max(map(_key, found), default=NOTHING_SEEN),
        newer=sum(_key(entry) > seen for entry in found) if (seen := seen_before(request)) else 0,
        a_page=A_PAGE,
        entries=found[:A_PAGE],
        following=following,
    )


def _key(entry: Entry) -> str:
    return f"{entry.id:020}"
