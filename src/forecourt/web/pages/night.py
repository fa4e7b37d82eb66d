"""One night: each duty, when it was due, when it ran, how long that took, what it did, and how that
compares with its last runs.
"""

from datetime import date, timedelta

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from forecourt.language import gettext as _
from forecourt.settings import settings
from forecourt.web.application import application
from forecourt.web.night_drawing import night as drawn
from forecourt.web.night_drawing import summary
from forecourt.web.nights import at_a_glance, beside_history, duties, span
from forecourt.web.page import page, reading

A_PAGE = 60
"""Duties that are shown at once, each beside thirty runs: what is not well, and what ran last or
comes next.
"""


def night(request: Request) -> Response:
    """GET /night"""
    app, zone = application(), settings().zone
    with reading(request) as look:
        today = look.now.astimezone(zone).date()
        day = _day(request.query_params.get("date", ""), today)
        over = span(day, look.now, zone)
        found = duties(look.tx, app.schedule(look.tx), over, look.now)
        chosen = found if request.query_params.get("all") else at_a_glance(found, look.now, A_PAGE)
        shown = beside_history(look.tx, chosen, over)
    return page(
        request,
        look,
        "pages/night.html",
        _("The night"),
        day=day,
        before=day - timedelta(days=1),
        after=day + timedelta(days=1) if day < today + timedelta(days=7) else None,
        today=today,
        span=over,
        zone=settings().timezone,
        duties=shown,
        all_duties=len(found),
        drawing=drawn(shown, over, look.now),
        summary=summary([duty for duty in found if not duty.often], look.now),
    )


def _day(text: str, today: date) -> date:
    if not text:
        return today
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise HTTPException(400, _("%(text)s is not a date such as 2026-11-24", text=repr(text))) from None
    if not today - timedelta(days=3660) < day < today + timedelta(days=366):
        raise HTTPException(404, _("Nothing is known of %(day)s", day=day))
    return day
