"""The page that asks back before anything is destroyed."""

from collections.abc import Mapping

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from forecourt.web.flash import local
from forecourt.web.page import whole
from forecourt.web.templating import environment


def confirm(
    request: Request,
    title: str,
    words: str,
    *,
    to: str,
    fields: Mapping[str, str],
    button: str,
    back: str,
    command: str,
    typed: str = "",
) -> Response:
    """Ask whether it is really meant: `fields` go to `to` then. `typed` is what has to be typed
    first, `command` does the same."""
    content = environment().get_template("confirm.html").render(
        title=title, words=words, to=to, fields=fields, button=button, back=local(back), command=command, typed=typed
    )  # fmt: skip
    return whole(request, title, live=Markup(content))
