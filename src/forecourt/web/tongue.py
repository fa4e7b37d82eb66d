"""Which language somebody is answered in: the one that they chose, else the one that their browser
asks for; and in which zone.
"""

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from forecourt.language import LANGUAGES, speaking
from forecourt.web import answers
from forecourt.web.dates import in_zone
from forecourt.web.reader import zone_of

COOKIE = "language"


class ReadersLanguage:
    """Answers each request in its reader's language and zone. Programs, which ask the API or do not
    ask for HTML, are answered in English.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, with both set."""
        if scope["type"] != "http" or scope["path"].startswith(answers.API):
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        with speaking(wanted(request)), in_zone(zone_of(request)):
            await self.app(scope, receive, send)


def wanted(request: Request) -> str:
    """The code of the language of whoever asks."""
    reads = "text/html" in request.headers.get("accept", "") or "hx-request" in request.headers
    if not reads or request.url.path.startswith(answers.API):
        return "en"
    chosen = request.cookies.get(COOKIE, "")
    return chosen if chosen in LANGUAGES else preferred(request.headers.get("accept-language", ""))


def preferred(accept: str) -> str:
    """The first of our languages in an Accept-Language header, by its weights; English if there is
    none.
    """
    weighed = []
    for part in accept[:500].split(","):
        tag, _, weight = part.strip().partition(";q=")
        code = tag.partition("-")[0].lower()
        try:
            weighed.append((float(weight or 1), code))
        except ValueError:
            continue
    known = [(weight, code) for weight, code in weighed if code in LANGUAGES and weight > 0]
    return max(known, key=lambda pair: pair[0])[1] if known else "en"
