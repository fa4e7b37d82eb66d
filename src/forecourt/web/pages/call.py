"""One call: where it is, every attempt, its arguments, and what it belongs to."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from psycopg import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from forecourt.language import gettext as _
from forecourt.language import marked
from forecourt.masking import hide_text
from forecourt.store import definitions, inspection, matching, progress, workflow_progress
from forecourt.store.search import LARGEST_ID
from forecourt.tracebacks import without_libraries
from forecourt.web.page import page, reading

TONES = {
    marked("Raised"): "failed",
    marked("TimedOut"): "failed",
    marked("SlotDied"): "failed",
    marked("WorkerLost"): "failed",
    marked("Expired"): "failed",
    marked("Cancelled"): "waiting",
    marked("Discarded"): "waiting",
    marked("Retried"): "done",
}

STEP_TONES = {
    marked("blocked"): "waiting",
    marked("waiting"): "waiting",
    marked("forgotten"): "late",
}
"""Of a workflow's steps; of the other states the words are a call's."""

MOST_STEPS = 200
"""Steps of a workflow that are shown."""


def call(request: Request) -> Response:
    """GET /calls/{id}"""
    id = request.path_params["id"]
    if not 0 < id <= LARGEST_ID:
        raise HTTPException(404, _("No call has such an id"))
    with reading(request) as look:
        found = inspection.call(look.tx, id)
        if found is None:
            raise HTTPException(404, nowhere(look.tx, id))
        said = progress.of(look.tx, [id]).get(id)
        batch = inspection.batch(look.tx, found.batch_id) if found.batch_id is not None else None
        workflow = workflow_progress.of_call(look.tx, id)
        steps = [] if workflow is None else workflow_progress.steps(look.tx, workflow, most=MOST_STEPS)
        tick = inspection.tick(look.tx, found.tick) if found.tick is not None else None
        mask = definitions.masks(look.tx).get(found.job, ())
        found = replace(
            found,
            args=found.args and hide_text(found.args, mask),
            result=found.result and hide_text(found.result, mask),
        )
    return page(
        request,
        look,
        "pages/call.html",
        _("Call %(id)s", id=id),
        call=found,
        said=said,
        batch=batch,
        workflow=workflow,
        steps=steps,
        tick=tick,
        step_tones=STEP_TONES,
        attempts=[_attempt(entry) for entry in found.history],
        live=found.state in ("ready", "scheduled", "running"),
    )


def nowhere(tx: Connection[Any], id: int) -> str:
    """Why there is no such call."""
    if id > matching.latest(tx):
        return _("No call has the id %(id)s: there are not that many so far", id=id)
    return _("Call %(id)s is gone: finished calls are kept for 7 days, forgotten and cleared ones not at all", id=id)


def _attempt(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of the history, whatever whoever wrote it put in."""
    at = entry.get("at")
    try:
        instant = datetime.fromisoformat(at) if isinstance(at, str) else None
    except ValueError:
        instant = None
    log = entry.get("log")
    outcome = str(entry.get("outcome", ""))[:80]
    whole = str(entry.get("traceback") or "").rstrip()[-20_000:]
    own = without_libraries(whole)
    return {
        "outcome": outcome,
        "tone": TONES.get(outcome, "late"),
        "number": str(entry.get("attempt") or "")[:20],
        "at": instant if instant is not None and instant.tzinfo else None,
        "host": str(entry.get("host") or "")[:80],
        "pid": str(entry.get("pid") or "")[:20],
        "error": str(entry.get("error") or "")[:500],
        "message": str(entry.get("message") or "")[:4000],
        "seconds": float(seconds) if isinstance(seconds := entry.get("seconds"), int | float) else None,
        "traceback": own.text,
        "whole": whole,
        "left_out": own.left_out,
        "log": [str(line)[:2000] for line in log[-200:]] if isinstance(log, list) else [],
    }
