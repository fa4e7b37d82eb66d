"""The timetable, and one task of it."""

from dataclasses import fields
from datetime import datetime, timedelta
from itertools import islice
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
from forecourt.schedule.rules import Hooks, Ping
from forecourt.schedule.shifts import shift_of
from forecourt.schedule.task import Task
from forecourt.settings import settings
from forecourt.store import inspection, pauses, pings, stored_tasks, tasks, tick_history, ticks
from forecourt.store.pauses import Pause
from forecourt.store.pings import Sent
from forecourt.store.tick_history import Tick
from forecourt.web.application import application
from forecourt.web.database import Reading
from forecourt.web.dates import clock
from forecourt.web.page import page, reading
from forecourt.web.quantiles import exact

COMING = 5
"""Due times that a task's page names."""

A_PAGE = 100
"""Tasks that are listed at once: what failed, and what comes next."""

HISTORY = 60
"""Runs that it lists."""

A_TAIL = 40
"""Lines of the last run's output; its call's page has all that are kept."""


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
        local=f"{look.now.astimezone(settings().zone):%H:%M}",
    )


def task(request: Request) -> Response:
    """GET /schedule/{name}"""
    name = request.path_params["name"]
    app = application()
    with reading(request) as look:
        try:
            found = app.schedule(look.tx)[name]
        except UnknownTaskError as error:
            raise HTTPException(404, _gone(look, name) or str(error)) from None
        ran = tick_history.recent(look.tx, name, most=HISTORY)
        halted = pauses.in_force(look.tx)
        holder = ticks.holders(look.tx, [(name, run.host) for run in ran[-1:]]).get(name)
        stored = (
            next((one for one in stored_tasks.every(look.tx) if one.name == name), None) if found.is_stored else None
        )
        explained = _explained(look, found, request.query_params.get("at"))
        latest = next((run for run in reversed(ran) if run.call_id and run.started_at), None)
        tally = tick_history.tally(look.tx, name)
        sent = pings.of_task(look.tx, name)
        tail = _tail(look, latest)
        hosts = inspection.ran_on(look.tx, [run.call_id for run in ran if run.call_id])
    here = found.runs_in(settings().environment)
    coming = list(islice(_upcoming(found, look.now), COMING)) if here else []
    ended = [run for run in ran if run.call_id and run.seconds is not None]
    seconds = [run.seconds for run in ended if run.status == "succeeded" and run.seconds is not None]
    return page(
        request,
        look,
        "pages/task.html",
        name,
        task=found,
        runs=ran[::-1],
        strip=ran[-30:],
        ended=ended,
        usual=exact(seconds, 0.5) if seconds else None,
        slow=exact(seconds, 0.95) if seconds else None,
        slowest=max(seconds) if seconds else None,
        succeeded=next((run for run in reversed(ran) if run.status == "succeeded"), None),
        coming=coming,
        shifted=[instant for instant in coming if shift_of(found, instant) is not None],
        environment=settings().environment,
        pause=pause_of(found, halted),
        own_pause=halted.get(("task", name)),
        holder=holder,
        tally=tally,
        pings=_pings(found, sent),
        latest=latest,
        tail=tail,
        hosts=hosts,
        explained=explained,
        stored=stored,
    )


def _gone(look: Reading, name: str) -> str:
    """That there was such a task; empty if its history knows none."""
    for last in tick_history.recent(look.tx, name, most=1):
        facts = {"name": name, "time": clock(last.due_at, look.now)}
        return _("%(name)s is not on the timetable any more; its last due time was %(time)s", **facts)
    return ""


def _tail(look: Reading, run: Tick | None) -> list[str]:
    """The last lines that the run's last try wrote; none if its call is forgotten."""
    call = inspection.call(look.tx, run.call_id) if run is not None and run.call_id is not None else None
    logs = [log for entry in call.history if isinstance(log := entry.get("log"), list)] if call is not None else []
    return [str(line)[:2000] for line in logs[-1][-A_TAIL:]] if logs else []


def _pings(task: Task, sent: list[Sent]) -> list[tuple[str, list[Sent]]]:
    """The monitors of a task, by what is no secret of their addresses, and what each answered."""
    hooks = [hook for field in fields(Hooks) for hook in getattr(task.hooks, field.name)]
    addresses = dict.fromkeys(hook.address for hook in hooks if isinstance(hook, Ping))
    return [(address, [one for one in sent if one.address == address]) for address in addresses]


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
