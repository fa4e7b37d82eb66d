"""How somebody wants the pages, kept in their browser."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from forecourt.language import LANGUAGES, language, speaking
from forecourt.language import gettext as _
from forecourt.web.flash import back, local
from forecourt.web.reader import CHOICES
from forecourt.web.routes import Form
from forecourt.web.tongue import COOKIE

A_YEAR = 366 * 24 * 3600


def prefer(_request: Request, form: Form) -> Response:
    """POST /settings"""
    choices = {**CHOICES, COOKIE: tuple(LANGUAGES)}
    chosen = {name: form[name] for name in choices if name in form}
    for name, value in chosen.items():
        if value not in choices[name]:
            raise HTTPException(
                400, _("%(text)s is not one of %(known)s", text=repr(value), known=", ".join(choices[name]))
            )
    with speaking(chosen.get(COOKIE, language())):
        answer = back(form, _("Settings are kept in this browser."))
    # Not HttpOnly: the key t changes the theme, and the script asks whether keys are wanted.
    for name, value in chosen.items():
        answer.set_cookie(name, value, max_age=A_YEAR, samesite="lax")
    return answer


def speak(_request: Request, form: Form) -> Response:
    """POST /language: the same page in another language, also before anybody has signed in."""
    if form.get("language") not in LANGUAGES:
        raise HTTPException(
            400, _("%(text)s is not one of %(known)s", text=repr(form.get("language")), known=", ".join(LANGUAGES))
        )
    answer = RedirectResponse(local(form.get("back", "/")), 303)
    answer.set_cookie(COOKIE, form["language"], max_age=A_YEAR, samesite="lax")
    return answer
