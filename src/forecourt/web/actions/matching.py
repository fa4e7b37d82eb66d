"""One action on all calls that fit a search: at once, or by a call in the background. Whoever
destroys is told the number first, and types it if it is large.
"""

from datetime import datetime
from typing import Any

from psycopg import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from forecourt.language import gettext as _
from forecourt.language import some
from forecourt.operations import bulk
from forecourt.operations.bulk import UNDO, Acted
from forecourt.operations.calls import PORTION, Action
from forecourt.store import matching, overview, search
from forecourt.store.search import LARGEST_ID, Search
from forecourt.web.actions.common import meant
from forecourt.web.actions.confirming import confirm
from forecourt.web.application import application
from forecourt.web.database import acting, reading
from forecourt.web.flash import back
from forecourt.web.matching_command import FILTERS, command
from forecourt.web.people import Role, person_of
from forecourt.web.routes import Form
from forecourt.web.searching import CannotRead, asked, whole_number

ACTIONS: tuple[Action, ...] = ("cancel", "run-now", "retry", "forget")


def act(request: Request, form: Form) -> Response:
    """POST /calls/matching: what `do` says, with all calls that fit. Cancelling and forgetting ask
    back first."""
    action = _action(form.get("do", ""))
    if action == "forget" and not person_of(request).may(Role.ADMIN):
        raise HTTPException(403, _("Removing calls needs the role admin"))
    asks_back = action in ("cancel", "forget")
    with reading() as look:
        chosen = _search(look.tx, look.now, form)
        latest = matching.latest(look.tx)
        count = matching.count(look.tx, chosen, upto=min(_upto(form), latest)) if asks_back else 0
    same = command(action, form, chosen)
    if asks_back:
        named = form.get("count", "")
        if not form.get("sure") or count > (whole_number(named, LARGEST_ID) or 0):
            return _ask(request, form, action, chosen, count, latest, same)
        meant(form, named, count)
    return do(request, form, action, chosen, same)


def do(request: Request, form: Form, action: Action, chosen: Search, same: str) -> Response:
    """Do it, and say on the page where the button stands what was done; `same` is the command that
    does the same."""
    who, queues = person_of(request).who, application().queues
    try:
        with acting() as tx:
            did = bulk.act(tx, action, chosen, who=who, queues=queues, upto=_upto(form))
            if did.call is None and not did.changed:  # somebody was quicker by a moment
                raise HTTPException(409, _nothing(action))
    except bulk.NothingFits:
        raise HTTPException(409, _("No call fits any more; nothing was changed")) from None
    except bulk.CannotBe as error:
        raise HTTPException(400, str(error)) from None
    if did.call is None:
        return back(form, _done(action, chosen, did), command=same)
    return back(
        form | {"back": f"/calls/{did.call}"},
        _under_way(action, did)
        + " "
        + _("It begins in %(seconds)s seconds; until then Undo takes all of it back.", seconds=UNDO),
        command=same,
        undo=(f"/calls/{did.call}/cancel", {}),
    )


def _ask(request: Request, form: Form, action: Action, chosen: Search, count: int, latest: int, same: str) -> Response:
    if not count:
        raise HTTPException(409, _("No call fits any more; nothing was changed"))
    calls = some(count, "call", "calls")
    if action == "forget":
        title = _("Forget %(calls)s?", calls=calls)
        words = _(
            "This removes %(calls)s for good, with what is known of each try.",
            calls=some(count, "failed call", "failed calls"),
        )
    elif chosen.state == "running":
        title = _("Cancel %(calls)s?", calls=calls)
        words = _("Their slots are killed, and what they did in their transactions is rolled back.")
    else:
        title = _("Cancel %(calls)s?", calls=calls)
        words = _("They will not run, and end as cancelled. What begins meanwhile goes on.")
    if count > PORTION:
        words += " " + _("A call does it in the background; it begins in %(seconds)s seconds.", seconds=UNDO)
    fields = {name: form[name] for name in FILTERS if form.get(name) and name != "since"} | {"state": chosen.state}
    if chosen.first is not None:
        fields["from"] = chosen.first.isoformat()  # "the last hour" is another one by now
    return confirm(
        request,
        title,
        words,
        to="/calls/matching",
        fields=fields | {"do": action, "sure": "yes", "count": str(count), "upto": str(latest)},
        button=_("Forget %(count)s", count=f"{count:,}")
        if action == "forget"
        else _("Cancel %(count)s", count=f"{count:,}"),
        typed=str(count) if count > PORTION else "",
        back=form.get("back", "/calls"),
        command=same,
    )


def _search(tx: Connection[Any], now: datetime, form: Form) -> Search:
    try:
        read = asked(form, search.jobs(tx), overview.queues(tx), now)
    except CannotRead as wrong:
        raise HTTPException(400, str(wrong)) from None
    if read.id is not None:
        raise HTTPException(400, _("A call that is named by its id has its actions on its own page"))
    return read.search


def _upto(form: Form) -> int:
    """The call that was the latest when the number was named: what came later is not meant."""
    return whole_number(form.get("upto", ""), LARGEST_ID) or LARGEST_ID


def _action(text: str) -> Action:
    for action in ACTIONS:
        if action == text:
            return action
    raise HTTPException(400, _("%(text)s is not something that can be done with calls", text=repr(text)))


def _nothing(action: Action) -> str:
    """Why nothing was changed."""
    if action == "retry":
        return _("Nothing was changed: these have not failed any more, or another call with the same unique key lives")
    return _("No call fits any more; nothing was changed")


def _under_way(action: Action, did: Acted) -> str:
    calls = some(did.found, "call is", "calls are")
    match action:
        case "retry":
            return _("%(calls)s being retried by this call.", calls=calls)
        case "forget":
            return _("%(calls)s being forgotten by this call.", calls=calls)
        case "cancel":
            return _("%(calls)s being cancelled by this call.", calls=calls)
        case "run-now":
            return _("%(calls)s being made ready by this call.", calls=calls)


def _done(action: Action, chosen: Search, did: Acted) -> str:
    calls = some(did.changed, "call", "calls")
    match action:
        case "retry":
            words = _("%(calls)s ready again.", calls=calls)
        case "forget":
            words = _("%(calls)s forgotten.", calls=calls)
        case "cancel" if chosen.state == "running":
            ending = some(did.changed, "running call ends", "running calls end")
            words = _("%(calls)s in a moment.", calls=ending)
        case "cancel":
            words = _("%(calls)s cancelled.", calls=calls)
        case "run-now":
            ready = some(did.changed, "call is", "calls are")
            words = _("%(calls)s ready now.", calls=ready)
    if left := did.found - did.changed:
        words += " " + (
            _("%(count)s stay: they are not there any more, or a call with the same unique key lives.", count=left)
            if action == "retry"
            else _("%(count)s stay as they are: they are in another state by now.", count=left)
        )
    return words
