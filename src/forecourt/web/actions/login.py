"""Signing in and out. Who guesses is slowed, by name and by address, before any hash is
computed.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import ceil

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from forecourt.language import gettext as _
from forecourt.operations import passwords
from forecourt.store import audit, people
from forecourt.web import access
from forecourt.web.database import acting
from forecourt.web.flash import local
from forecourt.web.page import whole
from forecourt.web.proxy import client
from forecourt.web.routes import Form
from forecourt.web.templating import environment

WINDOW = timedelta(minutes=5)
TRIES_OF_ONE, TRIES_OF_ADDRESS = 5, 30
"""Tries in vain within the window: at one name from one address, and at all names from one
address.
"""


def form(request: Request) -> Response:
    """GET /login"""
    return _form(request, request.query_params.get("next", "/"))


def sign_in(request: Request, given: Form) -> Response:
    """POST /login"""
    name, password = given.get("name", "").strip().lower()[:64], given.get("password", "")[:1000]
    where = client(request)
    own, shared = f"{name} from {where}", f"anybody from {where}"
    with acting() as tx:
        tries, ends_at = people.count_try(tx, own, WINDOW)
        over = tries > TRIES_OF_ONE
        if not over:
            tries, ends_at = people.count_try(tx, shared, WINDOW)
            over = tries > TRIES_OF_ADDRESS
        people.forget_tries(tx)
        known = people.password_of(tx, name)
    if over:
        seconds = max(1, ceil((ends_at - datetime.now(UTC)).total_seconds()))
        words = _("Too many tries. Wait %(minutes)s min", minutes=ceil(seconds / 60))
        return _form(request, given.get("next", "/"), words, 429, {"Retry-After": str(seconds)})
    right = passwords.fits(password, known[0] if known else _nobodys())
    if known is None or not right:
        return _form(request, given.get("next", "/"), _("That name and password do not belong together"), 403)
    answer = RedirectResponse(local(given.get("next", "/")), 303)
    access.begin(request, answer, name)
    with acting() as tx:
        people.forgive(tx, own, shared)
        audit.record(tx, f"{name} (web)", "sign in", {"from": where})
    return answer


def sign_out(request: Request, _form: Form) -> Response:
    """POST /logout"""
    answer = RedirectResponse("/login", 303)
    access.end(request, answer)
    return answer


@lru_cache(maxsize=1)
def _nobodys() -> str:
    """Somebody who is not known takes as long to be refused as somebody who is."""
    return passwords.hashed("nobody has this password")


def _form(
    request: Request, to: str, wrong: str = "", status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    content = environment().get_template("login.html").render(next=local(to), wrong=wrong)
    return whole(request, _("Sign in"), live=Markup(content), status=status, headers=headers)
