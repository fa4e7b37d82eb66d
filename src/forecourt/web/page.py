"""Makes pages: a head that stays as it is, and a live part that is asked for again every few
seconds.

The live part has an ETag of two halves. The first names the database's state that it was made from:
while it is the same, one cheap query answers 304. The second is a digest of the part itself: also
what had to be made again is not sent twice.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any, NamedTuple
from urllib.parse import quote

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from forecourt.language import language, marked
from forecourt.store import activity
from forecourt.web import database, dates, flash
from forecourt.web.application import CannotLoad, application, is_marketplace
from forecourt.web.database import Reading
from forecourt.web.people import person_of
from forecourt.web.reader import wishes
from forecourt.web.templating import environment

MARKETPLACE = "/marketplace"

NOTHING_SEEN = "!"
"""The `seen` of a list without rows: before every other."""


class Entry(NamedTuple):
    """What leads to a page: its path, its title, and the key that follows `g`."""

    path: str
    title: str
    key: str

    def leads_to(self, path: str) -> bool:
        """Whether that is this page, or below it."""
        return path == self.path or (self.path != "/" and path.startswith(self.path))


PAGES = (
    Entry("/", marked("Overview"), "o"),
    Entry("/night", marked("The night"), "n"),
    Entry("/schedule", marked("Schedule"), "s"),
    Entry("/queues", marked("Queues"), "u"),
    Entry("/calls", marked("Calls"), "c"),
    Entry("/failures", marked("Failures"), "f"),
    Entry("/workers", marked("Workers"), "w"),
    Entry(MARKETPLACE, marked("Marketplace"), "k"),
    Entry("/performance", marked("Performance"), "m"),
    Entry("/doctor", marked("Health"), "h"),
    Entry("/audit", marked("Audit"), "a"),
    Entry("/settings", marked("Settings"), "e"),
)


class Unchanged(Exception):
    """The live part that somebody has is still right."""

    def __init__(self, tag: str, reading: Reading) -> None:
        super().__init__(tag)
        self.response = Response(status_code=304, headers={"ETag": tag, **_as_of(reading)})


def is_poll(request: Request) -> bool:
    """Whether only the live part is asked for."""
    return request.headers.get("hx-request") == "true"


def seen_before(request: Request) -> str:
    """On a poll, the `seen` that its page was made with."""
    return request.headers.get("forecourt-seen", "")


@contextmanager
def reading(request: Request) -> Iterator[Reading]:
    """Look at the database for this request. Raises Unchanged, after two short queries, when
    whoever asks has the live part already.
    """
    with database.reading() as look:
        look.active = activity.is_any(look.tx)
        tag = request.headers.get("if-none-match", "").removeprefix("W/").strip('"')  # W/: a proxy has compressed it
        if is_poll(request) and tag.partition("-")[0] == _state(request, look):
            raise Unchanged(f'"{tag}"', look)
        yield look


def page(
    request: Request,
    look: Reading,
    template: str,
    title: str,
    *,
    head: str | None = None,
    below: str | None = None,
    seen: str = "",
    **facts: Any,
) -> Response:
    """The page made of `facts`: the whole of it, or its live part. `head` and `below` are the
    templates of what stands around that and does not change under the reader's eyes; `seen` comes
    back with each poll, so that they can be told what is newer."""
    facts |= {"now": look.now, "me": person_of(request), "here": here(request), "wishes": wishes(request)}
    live = environment().get_template(template).render(facts)
    tag = f'"{_state(request, look)}-{sha256(live.encode()).hexdigest()[:16]}"'
    headers = {"ETag": tag, **_as_of(look), "Vary": "HX-Request"}
    if is_poll(request):
        if request.headers.get("if-none-match", "").rpartition("-")[2] == tag.rpartition("-")[2]:
            return Response(status_code=304, headers=headers)
        return HTMLResponse(live, headers=headers)
    above, after = (Markup(environment().get_template(part).render(facts)) if part else "" for part in (head, below))
    return whole(
        request, title, above=above, live=Markup(live), below=after, tag=tag, look=look, seen=seen, headers=headers
    )


def whole(
    request: Request,
    title: str,
    *,
    above: str = "",
    live: str = "",
    below: str = "",
    tag: str = "",
    look: Reading | None = None,
    seen: str = "",
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Response:
    """A page around what is given."""
    said = flash.read(request)
    pages = _pages()
    answer = HTMLResponse(
        environment()
        .get_template("base.html")
        .render(
            title=title,
            above=above,
            live=live,
            below=below,
            tag=tag,
            look=look,
            seen=seen,
            said=said,
            pages=pages,
            current=next((one for one in pages if one.leads_to(request.url.path)), None),
            here=here(request),
            wishes=wishes(request),
            zone=dates.zone().key,
            me=request.scope.get("person"),
        ),
        status,
        headers,
    )
    if said:
        answer.delete_cookie(flash.COOKIE)
    return answer


def _pages() -> list[Entry]:
    """The pages that there are in this application."""
    try:
        market = is_marketplace(application())
    except CannotLoad:
        market = False
    return [one for one in PAGES if market or one.path != MARKETPLACE]


def here(request: Request) -> str:
    """The address of this page on this server, to come back to. The path is quoted anew: what came
    decoded would be another address where a name holds a percent sign, or what no address can.
    """
    return quote(request.scope["path"]) + (f"?{request.url.query}" if request.url.query else "")


def _state(request: Request, look: Reading) -> str:
    """Names what is seen, and by whom. With each minute it is another one, since "4 min ago"
    becomes wrong by itself.
    """
    me = person_of(request)
    return sha256(
        f"{look.state} {look.now:%Y%m%d%H%M} {language()} {dates.zone().key} {wishes(request)} {me.role} {me.name}".encode()
    ).hexdigest()[:16]


def _as_of(look: Reading) -> dict[str, str]:
    return {
        "Forecourt-As-Of": dates.clock(look.now),
        "Forecourt-Query-Milliseconds": f"{look.milliseconds:.0f}",
        "Forecourt-Active": "yes" if look.active else "",
    }
