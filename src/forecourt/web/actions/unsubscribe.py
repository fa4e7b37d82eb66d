"""The page behind the link in each mail: fewer mails of this kind, without signing in. Its token is
all that it takes.
"""

from typing import Any, get_args

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from forecourt.marketplace.notice_preferences import Wish, wish
from forecourt.marketplace.unsubscribing import unsubscribe, whose
from forecourt.web.database import acting, reading
from forecourt.web.routes import Form
from forecourt.web.templating import environment

READER = "SELECT locale FROM public.users WHERE id = %(id)s"


def ask(request: Request) -> Response:
    """GET /unsubscribe/TOKEN. It changes nothing: mail programs and scanners open links by
    themselves.
    """
    with reading() as look:
        return _page(look.tx, request.path_params["token"], done=False)


def answer(request: Request, form: Form) -> Response:
    """POST /unsubscribe/TOKEN, from the page's form, or from a mail program in one click (RFC
    8058).
    """
    wanted = "never" if form.get("List-Unsubscribe") == "One-Click" else form.get("mail", "")
    if wanted not in get_args(Wish):
        raise HTTPException(400, f"{wanted!r} is not one of {', '.join(get_args(Wish))}")
    token = request.path_params["token"]
    with acting() as tx:
        unsubscribe(tx, token, wanted)  # type: ignore[arg-type]
        return _page(tx, token, done=True)


def _page(tx: Any, token: str, *, done: bool) -> Response:
    found = whose(tx, token)
    reader = tx.execute(READER, {"id": found[0]}).fetchall() if found else []
    if found is None or not reader:
        raise HTTPException(404, "This link is not whole, or its user is gone; use the one in a newer mail")
    arabic = str(reader[0][0] or "").startswith("ar")
    facts = {"arabic": arabic, "kind": found[1], "wish": wish(tx, *found), "done": done, "token": token}
    return HTMLResponse(environment().get_template("unsubscribe.html").render(facts))
