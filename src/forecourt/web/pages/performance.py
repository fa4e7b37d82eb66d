"""How long each job's calls wait and run."""

from datetime import timedelta

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from forecourt.store import performance as store
from forecourt.web.page import page, reading
from forecourt.web.quantiles import LABELS

PERIODS = {"1h": timedelta(hours=1), "6h": timedelta(hours=6), "24h": timedelta(hours=24)}
WORDS = {"1h": "the last hour", "6h": "the last 6 hours", "24h": "the last day"}


def performance(request: Request) -> Response:
    """GET /performance"""
    period = request.query_params.get("period") or "1h"
    if period not in PERIODS:
        raise HTTPException(400, f"{period!r} is not one of {', '.join(PERIODS)}")
    name = request.query_params.get("job")
    with reading(request) as look:
        jobs = store.by_job(look.tx, PERIODS[period])
    return page(
        request,
        look,
        "pages/performance.html",
        "Performance",
        jobs=jobs,
        chosen=next((job for job in jobs if job.job == name), None),
        period=period,
        periods=WORDS,
        labels=LABELS,
    )
