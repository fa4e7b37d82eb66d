"""Run a task now; pause and resume a task, a group, or the whole schedule."""

from typing import Any

from psycopg import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from forecourt.language import gettext as _
from forecourt.operations import pausing, triggering
from forecourt.schedule.errors import UnknownTaskError
from forecourt.schedule.task import Task
from forecourt.store.pauses import Kind
from forecourt.web.actions.common import as_paused, needed, paused, until
from forecourt.web.application import application
from forecourt.web.database import acting
from forecourt.web.flash import back
from forecourt.web.people import person_of
from forecourt.web.routes import Form
from forecourt.web.templating import shell


def trigger(request: Request, form: Form) -> Response:
    """POST /schedule/trigger"""
    try:
        with acting() as tx:
            task = _task(tx, needed(form, "task"))
            call = triggering.trigger(tx, task, who=person_of(request).who)
    except (triggering.Holding, triggering.NotEntered) as error:
        raise HTTPException(409, str(error)) from None
    return back(
        form,
        _("%(task)s is entered as call %(id)s.", task=task.name, id=call),
        command=shell("forecourt", "schedule", "trigger", task.name),
        link=f"/calls/{call}",
    )


def pause(request: Request, form: Form) -> Response:
    """POST /schedule/pause"""
    why = form.get("why", "")
    with acting() as tx:
        kind, name, words = _target(tx, form)
        end = until(tx, form)
        pausing.pause(tx, kind, name, until=end, why=why, who=person_of(request).who)
    more = [*(("--for", form["minutes"]) if end else ()), *(("--why", why) if why else ())]
    return back(
        form,
        paused(words, end) + " " + _("What is due meanwhile is skipped."),
        command=shell("forecourt", "schedule", "pause", *_named(kind, name), *more),
        undo=("/schedule/resume", {} if kind == "schedule" else {kind: name}),
    )


def resume(request: Request, form: Form) -> Response:
    """POST /schedule/resume"""
    with acting() as tx:
        kind, name, words = _target(tx, form)
        before = as_paused(tx, kind, name)
        if not pausing.resume(tx, kind, name, who=person_of(request).who):
            return back(form, _("%(what)s was not paused any more.", what=words))
    return back(
        form,
        _("%(what)s goes on.", what=words),
        command=shell("forecourt", "schedule", "resume", *_named(kind, name)),
        undo=("/schedule/pause", ({} if kind == "schedule" else {kind: name}) | before),
    )


def _target(tx: Connection[Any], form: Form) -> tuple[Kind, str, str]:
    if name := form.get("task"):
        return "task", _task(tx, name).name, _("Task %(name)s", name=name)
    if group := form.get("group"):
        if group not in {known for task in application().timetable for known in task.groups}:
            raise HTTPException(404, _("No group is named %(name)s", name=repr(group)))
        return "group", group, _("Group %(name)s", name=group)
    return "schedule", "", _("The whole schedule")


def _task(tx: Connection[Any], name: str) -> Task:
    try:
        return application().schedule(tx)[name]
    except UnknownTaskError as error:
        raise HTTPException(404, str(error)) from None


def _named(kind: Kind, name: str) -> list[str]:
    return {"task": [name], "group": ["--group", name]}.get(kind, [])
