"""The first page: does the night go well, and if not, what is wrong."""

from datetime import datetime, time, timedelta

from starlette.requests import Request
from starlette.responses import Response

from forecourt.settings import settings
from forecourt.store import activity, failure_kinds, pauses, standing, tasks, throughput
from forecourt.web.application import application
from forecourt.web.night_drawing import night
from forecourt.web.nights import duties, span
from forecourt.web.page import page, reading
from forecourt.web.verdict import BEHIND, DEAD, Facts, verdict


def overview(request: Request) -> Response:
    """GET /"""
    app = application()
    zone = settings().zone
    with reading(request) as look:
        midnight = datetime.combine(look.now.astimezone(zone).date(), time(), zone)
        over = span(midnight.date(), look.now, zone)
        found = duties(look.tx, app.timetable, over, look.now)
        queues = standing.of_queues(look.tx, midnight, app.queues)
        workers = activity.of_workers(look.tx)
        facts = Facts(
            now=look.now,
            queues=queues,
            workers=workers,
            duties=found,
            pulse=tasks.pulse(look.tx, timedelta(minutes=5)),
            halted=pauses.in_force(look.tx).get(("schedule", "")),
            failed=standing.failed_since(look.tx, midnight),
        )
        kinds = failure_kinds.kinds(look.tx, since=midnight, limit=8)
        lines = throughput.by_queue(look.tx)
    return page(
        request,
        look,
        "pages/overview.html",
        "Overview",
        verdict=verdict(facts),
        drawing=night(found, over, look.now),
        duties=found,
        span=over,
        zone=settings().timezone,
        queues=sorted(
            queues,
            key=lambda queue: (queue.oldest <= BEHIND and not queue.paused_by, app_order(app.queues, queue.queue)),
        ),
        behind=BEHIND,
        lines=lines,
        workers=workers,
        dead=DEAD,
        kinds=kinds,
    )


def app_order(known: tuple[str, ...], queue: str) -> tuple[int, str]:
    """The application's own queues first, the most urgent before the others."""
    return known.index(queue) if queue in known else len(known), queue
