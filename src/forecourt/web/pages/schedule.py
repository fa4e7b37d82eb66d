"""The timetable, and one task of it."""

from datetime import datetime, timedelta
from itertools import islice
from statistics import median
from typing import Any, NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from forecourt.doctor.work import SILENT
from forecourt.language import gettext as _
from forecourt.schedule import explanation
from forecourt.schedule.clock import pause_of
from forecourt.schedule.errors import UnknownTaskError
from forecourt.schedule.explanation import Explanation
from forecourt.schedule.task import Task
from forecourt.settings import settings
from forecourt.store import pauses, stored_tasks, tasks, tick_history, ticks
from forecourt.store.pauses import Pause
from forecourt.store.tick_history import Tick
from forecourt.web.application import application
from forecourt.web.database import Reading
from forecourt.web.page import page, reading

COMING = 5
"""Due times that a task's page names."""

A_PAGE = 100
"""Tasks that are listed at once: what failed, and what comes next."""

HISTORY = 60
"""Runs that it lists."""


class Row(NamedTuple):
    """A task on the timetable: when it is due next, None where this environment does not run it;
    its latest due time; who halts it.
    """

    task: Task
    next: datetime | None
    last: Tick | None
    pause: Pause | None


def schedule(request: Request) -> Response:
    """GET /schedule"""
    app = application()
    with reading(request) as look:
        timetable = list(app.schedule(look.tx))
        latest = tick_history.latest(look.tx, [task.name for task in timetable])
        halted = pauses.in_force(look.tx)
        rows = [_row(task, latest.get(task.name), halted, look.now) for task in timetable]
        rows.sort(key=_what_matters_first)
        shown = rows if request.query_params.get("all") else rows[:A_PAGE]
        past = tick_history.past(look.tx, [row.task.name for row in shown])
        liveness = tasks.liveness(look.tx, timedelta(minutes=5))
    groups = sorted({group for task in timetable for group in task.groups})
    return page(
        request,
        look,
        "pages/schedule.html",
        _("Schedule"),
        rows=shown,
        past=past,
        total=len(timetable),
        halted=halted.get(("schedule", "")),
        groups=[(group, halted.get(("group", group))) for group in groups],
        liveness=liveness,
        jobs=sorted(name for name in app.jobs if not name.startswith("forecourt.")),
        silent=SILENT,
        zone=settings().timezone,
    )


def task(request: Request) -> Response:
    """GET /schedule/{name}"""
    name = request.path_params["name"]
    app = application()
    with reading(request) as look:
        try:
            found = app.schedule(look.tx)[name]
        except UnknownTaskError as error:
            raise HTTPException(404, str(error)) from None
        ran = tick_history.recent(look.tx, name, most=HISTORY)
        halted = pauses.in_force(look.tx)
        holder = ticks.holders(look.tx, [(name, run.host) for run in ran[-1:]]).get(name)
        stored = (
            next((one for one in stored_tasks.every(look.tx) if one.name == name), None) if found.is_stored else None
        )
        explained = _explained(look, found, request.query_params.get("at"))
    here = found.runs_in(settings().environment)
    seconds = [run.seconds for run in ran if run.status == "succeeded" and run.seconds is not None]
    return page(
        request,
        look,
        "pages/task.html",
        name,
        task=found,
        runs=ran[::-1],
        strip=ran[-30:],
        usual=median(seconds) if seconds else None,
        slowest=max(seconds) if seconds else None,
        succeeded=next((run for run in reversed(ran) if run.status == "succeeded"), None),
        coming=list(islice(_upcoming(found, look.now), COMING)) if here else [],
        environment=settings().environment,
        pause=pause_of(found, halted),
        own_pause=halted.get(("task", name)),
        holder=holder,
        explained=explained,
        stored=stored,
    )


def _explained(look: Reading, found: Task, at: str | None) -> list[Explanation]:
    """Its next due time, or the instant in the address. Conditions are the application's code: a
    page does not ask them.
    """
    environment = settings().environment
    if at is None:
        return explanation.upcoming(look.tx, found, look.now, environment=environment, ask=False, count=1)
    try:
        instant = datetime.fromisoformat(at)
        instant = instant.replace(tzinfo=instant.tzinfo or found.zone)
        return explanation.at_instant(look.tx, found, instant, look.now, environment=environment, ask=False)
    except (ValueError, OverflowError):
        raise HTTPException(400, f"{at!r} is not an instant such as 2026-11-24T03:00Z") from None


def _row(task: Task, last: Tick | None, halted: dict[tuple[str, str], Pause], now: datetime) -> Row:
    due = task.next_due(now) if task.runs_in(settings().environment) else None
    return Row(task, due, last, pause_of(task, halted))


def _what_matters_first(row: Row) -> tuple[bool, bool, float]:
    well = row.last is None or row.last.status not in ("failed", "missed")
    return well, row.next is None, 0.0 if row.next is None else row.next.timestamp()


def _upcoming(task: Task, now: datetime) -> Any:
    at = now
    while True:
        at = task.next_due(at)
        yield at
