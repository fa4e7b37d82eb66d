"""Retry, forget and cancel calls: one, or those that were selected in a list."""

from collections.abc import Sequence

from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from forecourt.operations import calls, failures
from forecourt.operations.failures import Action
from forecourt.web.actions.common import ids_of
from forecourt.web.database import acting
from forecourt.web.page import back, local, whole
from forecourt.web.people import Role, person_of
from forecourt.web.routes import Form
from forecourt.web.templating import environment, shell
from forecourt.web.words import some

DONE = {"retry": "ready again, with all tries", "forget": "forgotten"}


def retry(request: Request, form: Form) -> Response:
    """POST /calls/{id}/retry"""
    return _act(request, form, "retry", [request.path_params["id"]])


def forget(request: Request, form: Form) -> Response:
    """POST /calls/{id}/forget"""
    return _act(
        request, form | {"back": form.get("next", "/calls?state=failed")}, "forget", [request.path_params["id"]]
    )


def cancel(request: Request, form: Form) -> Response:
    """POST /calls/{id}/cancel"""
    return _cancel(request, form, [request.path_params["id"]])


def selected(request: Request, form: Form) -> Response:
    """POST /calls/act: what `do` says, with the calls that are ticked. Removing some asks back first."""
    ids = ids_of(form.get("ids", ""))
    match form.get("do"):
        case "retry":
            return _act(request, form, "retry", ids)
        case "cancel":
            return _cancel(request, form, ids)
        case "forget" if not person_of(request).may(Role.ADMIN):
            raise HTTPException(403, "Removing calls needs the role admin")
        case "forget" if form.get("sure"):
            return _act(request, form, "forget", ids)
        case "forget":
            return _ask(request, form, ids)
        case other:
            raise HTTPException(400, f"{other!r} is not something that can be done with calls")


def _act(request: Request, form: Form, action: Action, ids: Sequence[int]) -> Response:
    done = 0
    for count in failures.in_portions(acting, action, ids, who=person_of(request).who):
        done += count
    if done == 0:
        raise HTTPException(
            409,
            "Nothing was changed: these have not failed any more, or another call with the same unique key lives",
        )
    stayed = (
        f" {len(ids) - done} stay: they are not there any more, or a call with the same unique key lives."
        if done < len(ids)
        else ""
    )
    return back(form, f"{_named(ids, done)} {DONE[action]}.{stayed}", command=_command(action, ids))


def _cancel(request: Request, form: Form, ids: Sequence[int]) -> Response:
    try:
        with acting() as tx:
            waiting, running = calls.cancel(tx, ids, who=person_of(request).who)
    except calls.NotLive as error:
        raise HTTPException(409, str(error)) from None
    words = f"{some(len(waiting), 'call')} cancelled." if waiting else ""
    words += f" {some(len(running), 'running call ends', 'running calls end')} in a moment." if running else ""
    return back(form, words.strip(), command=_command("cancel", ids))


def _ask(request: Request, form: Form, ids: Sequence[int]) -> Response:
    content = environment().get_template("confirm.html").render(
        title=f"Forget {some(len(ids), 'call')}?",
        words=f"This removes {some(len(ids), 'failed call')} for good, with what is known of each try.",
        to="/calls/act",
        fields={"ids": ",".join(map(str, ids)), "do": "forget", "sure": "yes"},
        button=f"Forget {len(ids):,}",
        back=local(form.get("back", "/calls?state=failed")),
        command=_command("forget", ids),
    )  # fmt: skip
    return whole(request, "Forget calls", live=Markup(content))


def _named(ids: Sequence[int], count: int) -> str:
    return f"Call {ids[0]} is" if len(ids) == 1 else f"{some(count, 'call is', 'calls are')}"


def _command(action: str, ids: Sequence[int]) -> str:
    return shell("forecourt", "queue", action, *map(str, ids))
