"""The queues, and one of them."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from forecourt.doctor.why_waiting import explain
from forecourt.language import gettext as _
from forecourt.settings import settings
from forecourt.store import activity, failure_kinds, standing, throughput
from forecourt.store.search import Search
from forecourt.store.throughput import Line
from forecourt.web.application import application
from forecourt.web.facts import a_day_before
from forecourt.web.page import page, reading
from forecourt.web.pages.calls import listed
from forecourt.web.pages.overview import troubled_first

A_GLANCE = 10_000
"""Failed calls that the page of one queue looks at; the page Failures looks at all."""


def queues(request: Request) -> Response:
    """GET /queues"""
    known = application().queues
    with reading(request) as look:
        found = standing.of_queues(look.tx, a_day_before(look.now), known)
        lines = throughput.by_queue(look.tx)
    return page(
        request,
        look,
        "pages/queues.html",
        _("Queues"),
        queues=troubled_first(found, known),
        lines=lines,
        behind=settings().queue_limit,
    )


def queue(request: Request) -> Response:
    """GET /queues/{name}"""
    name = request.path_params["name"]
    known = application().queues
    with reading(request) as look:
        found_all = standing.of_queues(look.tx, a_day_before(look.now), known)
        found = next((one for one in found_all if one.queue == name), None)
        if found is None:
            raise HTTPException(404, _("No queue is named %(name)s: no job, call or worker uses it", name=repr(name)))
        hours = throughput.by_queue(look.tx, 180).get(name, Line([0] * 180))
        kinds = failure_kinds.kinds(look.tx, queue=name, limit=10, most=A_GLANCE)
        workers = activity.of_workers(look.tx)
        why = explain(look.tx, found, found_all, workers, look.now)
        waiting = listed(look.tx, Search(state="ready", queue=name), 10)
    return page(
        request,
        look,
        "pages/queue.html",
        _("Queue %(name)s", name=name),
        queue=found,
        line=hours,
        kinds=kinds,
        workers=[worker for worker in workers if name in worker.queues],
        why=why,
        waiting=waiting,
        behind=settings().queue_limit,
    )
