"""The flash message: what an action did, in a cookie, for the page that follows it to say once."""

import json
from typing import Any
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

COOKIE = "forecourt_said"

LONGEST = 1500
"""Characters of the cookie, quoted."""


def back(
    form: dict[str, str],
    words: str,
    *,
    command: str = "",
    undo: tuple[str, dict[str, str]] | None = None,
    link: str = "",
) -> Response:
    """To the page where the button stands, which says what was done; `command` does the same,
    `undo` the opposite, `link` leads to what came of it.
    """
    answer = RedirectResponse(local(form.get("back", "/")), 303)
    to, fields = undo or (None, None)
    text = _quoted(words=words[:500], command=command[:300], undo=to, fields=fields, link=link)
    if len(text) > LONGEST:
        text = _quoted(words=words[:150], command="", undo=None, fields=None, link=link)
    answer.set_cookie(COOKIE, text, max_age=60, httponly=True, samesite="strict")
    return answer


def read(request: Request) -> dict[str, Any] | None:
    """What the action before this page did; None if there was none."""
    try:
        said = json.loads(unquote(request.cookies.get(COOKIE, "")))
        undo = said["undo"]
        fields = {str(name): str(value) for name, value in (said["fields"] or {}).items()}
        return {
            "words": str(said["words"]),
            "command": str(said["command"]),
            "undo": undo if isinstance(undo, str) and local(undo) == undo else None,
            "fields": fields,
            "link": local(str(said["link"])) if said["link"] else "",
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def local(path: str) -> str:
    """A path on this server; the first page for anything else."""
    inside = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if inside else "/"


def _quoted(**said: Any) -> str:
    return quote(json.dumps(said, ensure_ascii=False))
