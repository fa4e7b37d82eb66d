"""Calls by state: looked for by id, job, queue, error, argument and time."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from psycopg import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from forecourt.language import gettext as _
from forecourt.masking import hide_text
from forecourt.operations.calls import POSSIBLE
from forecourt.store import definitions, overview, search
from forecourt.store.search import COUNTED, LOOK_THROUGH, Listed, Search
from forecourt.web.matching_command import FILTERS, command
from forecourt.web.page import page, reading
from forecourt.web.pages.call import nowhere
from forecourt.web.searching import SINCE, Asked, CannotRead, asked
from forecourt.web.words import capped

A_PAGE = 50


def calls(request: Request) -> Response:
    """GET /calls"""
    with reading(request) as look:
        jobs, queues = search.jobs(look.tx), overview.queues(look.tx)
        try:
            wanted, wrong = asked(request.query_params, jobs, queues, look.now), ""
        except CannotRead as error:
            wanted, wrong = asked({}, jobs, queues, look.now), str(error)
        if wanted.id is not None:
            if not search.exists(look.tx, wanted.id):
                raise HTTPException(404, nowhere(look.tx, wanted.id))
            return RedirectResponse(f"/calls/{wanted.id}", 303)
        found = [] if wrong else listed(look.tx, wanted.search, A_PAGE + 1)
        counts = search.counts(look.tx)
    return page(
        request,
        look,
        "pages/calls.html",
        _("Calls"),
        head="pages/calls.head.html",
        below="pages/calls.list.html",
        asked=wanted,
        wrong=wrong,
        found=found[:A_PAGE],
        following=_following(wanted, found),
        counts=counts,
        counted=COUNTED,
        jobs=jobs,
        queues=queues,
        states=search.STATES,
        since=SINCE,
        through=LOOK_THROUGH,
        filters=FILTERS,
        filtered=wanted.search.filters,
        fitting=_fitting(wanted.search, found, counts),
        possible=POSSIBLE[wanted.search.state],
        same={action: command(action, wanted.typed, wanted.search) for action in POSSIBLE[wanted.search.state]},
        typed=wanted.typed,
    )


def listed(tx: Connection[Any], wanted: Search, limit: int) -> list[Listed]:
    """The calls that fit, with what is secret in their arguments hidden."""
    masks = definitions.masks(tx)
    return [
        replace(call, args=call.args and hide_text(call.args, masks.get(call.job, ())))
        for call in search.calls(tx, wanted, limit)
    ]


def _fitting(wanted: Search, found: list[Listed], counts: Mapping[str, int]) -> str:
    """How many calls fit, as far as this page knows: whoever acts on all of them has them
    counted."""
    if not wanted.filters:
        return capped(counts[wanted.state], COUNTED)
    if wanted.id is not None or len(found) > A_PAGE:
        return f"{A_PAGE}+"
    return str(len(found)) if counts[wanted.state] <= COUNTED else f"{len(found)}+"  # older ones were not looked at


def _following(wanted: Asked, found: list[Listed]) -> Mapping[str, Any] | None:
    """The parameters of the next page; None when this is the last."""
    if len(found) <= A_PAGE:
        return None
    last = found[A_PAGE - 1]
    by_time = wanted.search.state in ("failed", "scheduled")
    return wanted.link(id=last.id, at=last.at.isoformat() if by_time else None)
