"""The first page: does the night go well, and if not, what is wrong."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from forecourt.doctor.database import migrated
from forecourt.doctor.work import DEAD
from forecourt.language import gettext as _
from forecourt.settings import settings
from forecourt.store import failure_kinds, throughput
from forecourt.store.search import Search
from forecourt.store.standing import Standing
from forecourt.web.application import application
from forecourt.web.facts import gather, midnight
from forecourt.web.night_drawing import night
from forecourt.web.nights import at_a_glance, beside_history, coming
from forecourt.web.page import page, reading
from forecourt.web.pages.calls import listed
from forecourt.web.verdict import verdict

A_GLANCE = 30
"""Duties that the first page shows; the night's own page shows all."""

A_FEW = 5
"""Due times to come, and calls that failed last, that it names."""


def overview(request: Request) -> Response:
    """GET /"""
    app = application()
    with reading(request) as look:
        facts, over = gather(look.tx, app, look.now)
        duties = beside_history(look.tx, at_a_glance(facts.duties, look.now, A_GLANCE), over)
        kinds = failure_kinds.kinds(look.tx, since=midnight(look.now), limit=8)
        lines = throughput.by_queue(look.tx)
        to_come = coming(look.tx, facts.duties, app.schedule(look.tx), over, look.now, A_FEW)
        failed = listed(look.tx, Search(state="failed"), A_FEW)
        schema = migrated(look.tx)
    return page(
        request,
        look,
        "pages/overview.html",
        _("Overview"),
        verdict=verdict(facts),
        drawing=night(duties, over, look.now),
        duties=duties,
        all_duties=len(facts.duties),
        span=over,
        zone=settings().timezone,
        queues=troubled_first(facts.queues, app.queues),
        behind=settings().queue_limit,
        lines=lines,
        workers=sorted(facts.workers, key=lambda worker: worker.silent <= DEAD),
        dead=DEAD,
        kinds=kinds,
        to_come=to_come,
        failed=failed,
        schema=schema,
    )


def troubled_first(queues: Sequence[Standing], known: Sequence[str]) -> list[Standing]:
    """First what nobody serves, then what is behind or paused; of each kind the application's own
    queues first, the most urgent before the others.
    """

    def place(one: Standing) -> tuple[int, int, str]:
        unserved = one.ready and not one.workers and not one.paused_by
        troubled = one.paused_by or one.oldest > settings().queue_limit(one.queue)
        rank = known.index(one.queue) if one.queue in known else len(known)
        return 0 if unserved else 1 if troubled else 2, rank, one.queue

    return sorted(queues, key=place)
