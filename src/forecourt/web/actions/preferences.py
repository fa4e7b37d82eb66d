"""How somebody wants the pages, kept in their browser."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from forecourt.language import LANGUAGES, language, speaking
from forecourt.language import gettext as _
from forecourt.web.flash import back, local
from forecourt.web.page import THEMES
from forecourt.web.routes import Form
from forecourt.web.tongue import COOKIE

A_YEAR = 366 * 24 * 3600


def prefer(_request: Request, form: Form) -> Response:
    """POST /settings"""
    theme, keys, chosen = form.get("theme", "system"), form.get("keys", "on"), form.get("language", language())
    if theme not in THEMES or keys not in ("on", "off") or chosen not in LANGUAGES:
        wrong = ", ".join(map(repr, (theme, keys, chosen)))
        raise HTTPException(400, _("%(text)s are not what one can choose from", text=wrong))
    with speaking(chosen):
        answer = back(form, _("Settings are kept in this browser."))
    # Not HttpOnly: the key t changes the theme, and the script asks whether keys are wanted.
    answer.set_cookie("theme", theme, max_age=A_YEAR, samesite="lax")
    answer.set_cookie("keys", keys, max_age=A_YEAR, samesite="lax")
    answer.set_cookie(COOKIE, chosen, max_age=A_YEAR, samesite="lax")
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
