"""Add, edit and remove tasks while the application runs."""

import json
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from forecourt.language import gettext as _
from forecourt.operations import stored_tasks
from forecourt.schedule import sentence_translation
from forecourt.schedule.errors import TimetableError, UnknownTaskError
from forecourt.store.stored_tasks import StoredTask
from forecourt.web.actions.common import needed
from forecourt.web.application import application
from forecourt.web.database import acting
from forecourt.web.flash import back
from forecourt.web.people import person_of
from forecourt.web.routes import Form
from forecourt.web.templating import shell


def add(request: Request, form: Form) -> Response:
    """POST /schedule/add"""
    app, job = application(), needed(form, "job")
    name = form.get("name", "").strip() or job
    task = StoredTask(name, job, **{"args": {}, **_fields(form), "cron": needed(form, "cron")})
    try:
        with acting() as tx:
            added = stored_tasks.add(tx, app.timetable, app.jobs, task, who=person_of(request).who)
    except TimetableError as mistake:
        raise HTTPException(400, str(mistake)) from None
    return back(
        form,
        _("%(task)s is added: %(sentence)s.", task=name, sentence=sentence_translation.of(added)),
        command=shell("forecourt", "schedule", "add", job, "--cron", task.cron, "--name", name),
        undo=("/schedule/remove", {"task": name}),
    )


def edit(request: Request, form: Form) -> Response:
    """POST /schedule/edit"""
    app, name = application(), needed(form, "task")
    changes = _fields(form)
    if not changes:
        raise HTTPException(400, _("The form changes nothing"))
    try:
        with acting() as tx:
            changed = stored_tasks.edit(tx, app.timetable, app.jobs, name, changes, who=person_of(request).who)
    except UnknownTaskError as error:
        raise HTTPException(404, str(error)) from None
    except TimetableError as mistake:
        raise HTTPException(400, str(mistake)) from None
    words = _("%(task)s is changed: %(sentence)s.", task=name, sentence=sentence_translation.of(changed))
    return back(form, words, command=shell("forecourt", "schedule", "edit", name))


def remove(request: Request, form: Form) -> Response:
    """POST /schedule/remove"""
    app, name = application(), needed(form, "task")
    try:
        with acting() as tx:
            task = stored_tasks.remove(tx, app.timetable, name, who=person_of(request).who)
    except UnknownTaskError as error:
        raise HTTPException(404, str(error)) from None
    fields = {"name": name, "job": task.job, "cron": task.cron}
    given = {"timezone": task.timezone, "queue": task.queue, "priority": task.priority, "description": task.description}
    return back(
        form | {"back": "/schedule"},
        _("%(task)s is removed. What it has enqueued still runs; its history stays.", task=name),
        command=shell("forecourt", "schedule", "remove", name),
        # Arguments may be secret, and what can be undone travels in a cookie.
        undo=None
        if task.args
        else ("/schedule/add", fields | {field: str(value) for field, value in given.items() if value}),
    )


def _fields(form: Form) -> dict[str, Any]:
    """What the form says of a task, as it is stored. Raises HTTPException."""
    found: dict[str, Any] = {}
    for field in ("cron", "timezone", "queue", "description"):
        if text := form.get(field, "").strip():
            found[field] = text
    if text := form.get("args", "").strip():
        try:
            found["args"] = json.loads(text)
        except (ValueError, RecursionError) as mistake:
            raise HTTPException(400, _("The arguments are no JSON: %(mistake)s", mistake=mistake)) from None
        if not isinstance(found["args"], dict):
            raise HTTPException(400, _('The arguments are not a JSON object such as {"listing_id": 7}'))
    if text := form.get("priority", "").strip():
        try:
            found["priority"] = int(text)
        except ValueError:
            raise HTTPException(400, _("The priority %(text)s is not a number", text=repr(text[:40]))) from None
    return found
