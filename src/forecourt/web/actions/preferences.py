"""How somebody wants the pages, kept in their browser."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from forecourt.web.page import THEMES, back
from forecourt.web.routes import Form

A_YEAR = 366 * 24 * 3600


def prefer(_: Request, form: Form) -> Response:
    """POST /settings"""
    theme, keys = form.get("theme", "system"), form.get("keys", "on")
    if theme not in THEMES or keys not in ("on", "off"):
        raise HTTPException(400, f"{theme!r} and {keys!r} are not what one can choose from")
    answer = back(form, "Settings are kept in this browser.")
    # Not HttpOnly: the key t changes the theme, and the script asks whether keys are wanted.
    answer.set_cookie("theme", theme, max_age=A_YEAR, samesite="lax")
    answer.set_cookie("keys", keys, max_age=A_YEAR, samesite="lax")
    return answer
