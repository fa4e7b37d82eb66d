"""How long each job's calls wait and run."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from forecourt.language import gettext as _
from forecourt.language import marked
from forecourt.store import performance as store
from forecourt.store.performance import PERIODS
from forecourt.web.page import page, reading
from forecourt.web.quantiles import labels

WORDS = {
    "1h": marked("the last hour"),
    "6h": marked("the last 6 hours"),
    "24h": marked("the last day"),
    "7d": marked("the last week"),
}


def performance(request: Request) -> Response:
    """GET /performance"""
    period = request.query_params.get("period") or "1h"
    if period not in PERIODS:
        raise HTTPException(400, _("%(text)s is not one of %(known)s", text=repr(period), known=", ".join(PERIODS)))
    name = request.query_params.get("job")
    with reading(request) as look:
        jobs = store.by_job(look.tx, PERIODS[period])
    return page(
        request,
        look,
        "pages/performance.html",
        _("Performance"),
        jobs=jobs,
        chosen=next((job for job in jobs if job.job == name), None),
        period=period,
        periods=WORDS,
        labels=labels(),
    )
