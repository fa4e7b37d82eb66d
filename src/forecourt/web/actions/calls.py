"""Retry, forget, run now and cancel calls: one, or those that were selected in a list."""

from collections.abc import Sequence

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from forecourt.language import gettext as _
from forecourt.language import some
from forecourt.operations import calls
from forecourt.operations.calls import Action
from forecourt.store.search import State
from forecourt.web.actions.common import ids_of
from forecourt.web.actions.confirming import confirm
from forecourt.web.database import acting
from forecourt.web.flash import back
from forecourt.web.people import Role, person_of
from forecourt.web.routes import Form
from forecourt.web.templating import shell


def retry(request: Request, form: Form) -> Response:
    """POST /calls/{id}/retry"""
    return _act(request, form, "retry", [request.path_params["id"]])


def forget(request: Request, form: Form) -> Response:
    """POST /calls/{id}/forget"""
    return _act(
        request, form | {"back": form.get("next", "/calls?state=failed")}, "forget", [request.path_params["id"]]
    )


def run_now(request: Request, form: Form) -> Response:
    """POST /calls/{id}/run-now"""
    return _act(request, form, "run-now", [request.path_params["id"]])


def cancel(request: Request, form: Form) -> Response:
    """POST /calls/{id}/cancel"""
    return _cancel(request, form, [request.path_params["id"]])


def selected(request: Request, form: Form) -> Response:
    """POST /calls/act: what `do` says, with the calls that are ticked. Removing some asks back
    first.
    """
    ids = ids_of(form.get("ids", ""))
    match form.get("do"):
        case "retry":
            return _act(request, form, "retry", ids)
        case "run-now":
            return _act(request, form, "run-now", ids)
        case "cancel":
            return _cancel(request, form, ids)
        case "forget" if not person_of(request).may(Role.ADMIN):
            raise HTTPException(403, _("Removing calls needs the role admin"))
        case "forget" if form.get("sure"):
            return _act(request, form, "forget", ids)
        case "forget":
            return _ask(request, form, ids)
        case other:
            raise HTTPException(400, _("%(text)s is not something that can be done with calls", text=repr(other)))


def _act(request: Request, form: Form, action: Action, ids: Sequence[int]) -> Response:
    state: State = "scheduled" if action == "run-now" else "failed"
    done = sum(calls.in_portions(acting, action, state, ids, who=person_of(request).who))
    if done == 0 and action == "run-now":
        raise HTTPException(
            409, _("Nothing was changed: these wait for their time no more, or wait for a place in a limit")
        )
    if done == 0:
        raise HTTPException(
            409,
            _("Nothing was changed: these have not failed any more, or another call with the same unique key lives"),
        )
    words = _done(action, ids, done)
    if done < len(ids):
        left = len(ids) - done
        words += " " + (
            _("%(count)s stay as they are: they are in another state by now.", count=left)
            if action == "run-now"
            else _("%(count)s stay: they are not there any more, or a call with the same unique key lives.", count=left)
        )
    return back(form, words, command=_command(action, ids))


def _cancel(request: Request, form: Form, ids: Sequence[int]) -> Response:
    try:
        with acting() as tx:
            waiting, running = calls.cancel(tx, ids, who=person_of(request).who)
    except calls.NotLive as error:
        raise HTTPException(409, str(error)) from None
    words = []
    if waiting:
        words.append(_("%(calls)s cancelled.", calls=some(len(waiting), "call", "calls")))
    if running:
        ending = some(len(running), "running call ends", "running calls end")
        words.append(_("%(calls)s in a moment.", calls=ending))
    return back(form, " ".join(words), command=_command("cancel", ids))


def _ask(request: Request, form: Form, ids: Sequence[int]) -> Response:
    return confirm(
        request,
        _("Forget %(calls)s?", calls=some(len(ids), "call", "calls")),
        _(
            "This removes %(calls)s for good, with what is known of each try.",
            calls=some(len(ids), "failed call", "failed calls"),
        ),
        to="/calls/act",
        fields={"ids": ",".join(map(str, ids)), "do": "forget", "sure": "yes"},
        button=_("Forget %(count)s", count=f"{len(ids):,}"),
        back=form.get("back", "/calls?state=failed"),
        command=_command("forget", ids),
    )


def _done(action: Action, ids: Sequence[int], count: int) -> str:
    if action == "run-now":
        ready = some(count, "call is", "calls are")
        return _("Call %(id)s is ready now.", id=ids[0]) if len(ids) == 1 else _("%(calls)s ready now.", calls=ready)
    if len(ids) == 1:
        return (
            _("Call %(id)s is ready again, with all tries.", id=ids[0])
            if action == "retry"
            else _("Call %(id)s is forgotten.", id=ids[0])
        )
    if action == "retry":
        return _("%(calls)s ready again, with all tries.", calls=some(count, "call is", "calls are"))
    return _("%(calls)s forgotten.", calls=some(count, "call is", "calls are"))


def _command(action: str, ids: Sequence[int]) -> str:
    return shell("forecourt", "queue", action, *map(str, ids))
