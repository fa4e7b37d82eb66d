"""What is answered when something is wrong: a page for people, JSON for programs; what happened,
and what to do about it.
"""

import logging
from collections.abc import Callable

import psycopg
import sqlalchemy.exc
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from forecourt.database.address import unreachable
from forecourt.language import gettext as _
from forecourt.language import lookup, marked, speaking
from forecourt.web import answers, flash
from forecourt.web.headers import ALWAYS
from forecourt.web.page import Unchanged, here, is_poll, whole
from forecourt.web.templating import environment, query
from forecourt.web.tongue import wanted

log = logging.getLogger("forecourt.web")

TITLES = {
    400: marked("That cannot be read"),
    401: marked("Sign in first"),
    403: marked("You may not do that"),
    404: marked("There is nothing here"),
    405: marked("Not that way"),
    409: marked("Not now"),
    413: marked("That is too long"),
    429: marked("Too many tries"),
    500: marked("Something is wrong with this page"),
    503: marked("The database does not answer"),
}


def refuse(
    request: Request,
    status: int,
    words: str,
    headers: dict[str, str] | None = None,
    *,
    hint: str = "",
    title: str = "",
    sign_in_for: str = "",
) -> Response:
    """The answer of this status: to a browser a page, to anything else JSON. What may be better in
    a moment is asked for again. `title` instead of the status's own; `sign_in_for`: the page to
    which signing in leads back.
    """
    if "text/html" not in request.headers.get("accept", "") or request.url.path.startswith(answers.API):
        return answers.refusal(request.url.path, status, words, headers)
    again = status == 503 and request.method == "GET"
    title = title or lookup(TITLES.get(status, marked("No")))
    content = (
        environment()
        .get_template("refusal.html")
        .render(words=words, hint=hint, title=title, again=again, sign_in_for=sign_in_for)
    )
    more = {"Refresh": "5", "Retry-After": "5"} if again else {}
    return whole(request, title, live=Markup(content), status=status, headers=(headers or {}) | more)


def unchanged(_request: Request, error: Exception) -> Response:
    """304: what the browser has is still right."""
    assert isinstance(error, Unchanged)
    return error.response


def gone(_request: Request, _error: Exception) -> Response:
    """To whoever left in the middle of a form or an upload, so nobody: that is no error of ours."""
    return Response(status_code=400)


def refused(request: Request, error: Exception) -> Response:
    """Whatever a route refuses."""
    assert isinstance(error, HTTPException)
    return refuse(request, error.status_code, error.detail, dict(error.headers or {}))


def sign_in(request: Request, _error: Exception) -> Response:
    """Whoever has to sign in: a browser that wants a page gets the form."""
    page = "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(answers.API)
    wants_page = request.method == "GET" and page and not is_poll(request)
    if wants_page:
        return RedirectResponse(f"/login{query(next=here(request) if here(request) != '/' else None)}", 303)
    return refuse(
        request,
        401,
        _("Nobody is signed in, so nothing was done"),
        {"WWW-Authenticate": 'Bearer realm="forecourt"'},
        sign_in_for=flash.local("/" + request.headers.get("referer", "").partition("://")[2].partition("/")[2]),
    )


def out_of_reach(request: Request, error: Exception) -> Response:
    """Whoever asks is told only that; where the database is and what the driver said is in the
    log.
    """
    match error:
        case sqlalchemy.exc.OperationalError(orig=Exception() as origin):
            words = unreachable(origin)
        case psycopg.OperationalError():
            words = unreachable(error)
        case _:
            words = str(error)
    log.warning("database unreachable: %s", words)
    return refuse(
        request,
        503,
        _("Database unreachable"),
        hint=_("It is asked again every 5 seconds. Where it is and what it said is in the log."),
    )


def _unavailable(title: str, words: str, hint: str) -> Callable[[Request, Exception], Response]:
    def answer(request: Request, _error: Exception) -> Response:
        return refuse(request, 503, lookup(words), hint=lookup(hint), title=lookup(title))

    return answer


read_only = _unavailable(
    marked("The database takes no changes"),
    marked("It is read-only, so nothing was changed"),
    marked("It is a standby, or its storage is full."),
)
"""An action on a standby, or on a database that somebody made read-only."""

busy = _unavailable(
    marked("Somebody else is at it"),
    marked("Another transaction is at the same rows, so nothing was changed"),
    marked("Try again in a moment."),
)
"""An action whose rows somebody else holds for too long, or took crosswise."""

no_schema = _unavailable(
    marked("The database is not up to date"),
    marked("It has not the schema that this code needs"),
    marked("Bring it up to date: forecourt db migrate"),
)
"""A database without our tables, or with older ones."""


def cannot_load(request: Request, error: Exception) -> Response:
    """The application whose timetable the page shows."""
    return refuse(
        request,
        500,
        _("The application cannot be loaded: %(error)s", error=error),
        hint=_("FORECOURT_APP names it. /health/scheduler answers all the same."),
    )


def failed(request: Request, error: Exception) -> Response:
    """Everything else. The server logs the traceback; it also answers beyond what else adds the
    headers.
    """
    with speaking(wanted(request)):  # this handler stands outside of what sets the language
        return refuse(request, 500, _("Internal server error"), dict(ALWAYS), hint=_("The log has the traceback."))
