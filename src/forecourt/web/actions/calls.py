"""Retry, forget and cancel calls: one, or those that were selected in a list."""

from collections.abc import Sequence

from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from forecourt.language import gettext as _
from forecourt.language import some
from forecourt.operations import calls, failures
from forecourt.operations.failures import Action
from forecourt.web.actions.common import ids_of
from forecourt.web.database import acting
from forecourt.web.flash import back, local
from forecourt.web.page import whole
from forecourt.web.people import Role, person_of
from forecourt.web.routes import Form
from forecourt.web.templating import environment, shell


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
    """POST /calls/act: what `do` says, with the calls that are ticked. Removing some asks back
    first.
    """
    ids = ids_of(form.get("ids", ""))
    match form.get("do"):
        case "retry":
            return _act(request, form, "retry", ids)
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
    done = 0
    for count in failures.in_portions(acting, action, ids, who=person_of(request).who):
        done += count
    if done == 0:
        raise HTTPException(
            409,
            _("Nothing was changed: these have not failed any more, or another call with the same unique key lives"),
        )
    words = _done(action, ids, done)
    if done < len(ids):
        left = len(ids) - done
        words += " " + _(
            "%(count)s stay: they are not there any more, or a call with the same unique key lives.", count=left
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
    content = environment().get_template("confirm.html").render(
        title=_("Forget %(calls)s?", calls=some(len(ids), "call", "calls")),
        words=_(
            "This removes %(calls)s for good, with what is known of each try.",
            calls=some(len(ids), "failed call", "failed calls"),
        ),
        to="/calls/act",
        fields={"ids": ",".join(map(str, ids)), "do": "forget", "sure": "yes"},
        button=_("Forget %(count)s", count=f"{len(ids):,}"),
        back=local(form.get("back", "/calls?state=failed")),
        command=_command("forget", ids),
    )  # fmt: skip
    return whole(request, _("Forget calls"), live=Markup(content))


def _done(action: Action, ids: Sequence[int], count: int) -> str:
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
