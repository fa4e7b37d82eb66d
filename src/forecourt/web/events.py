"""`POST /api/v1/events`: what visitors do, sent by a site's server, or by its pages (`fetch`,
`navigator.sendBeacon`).
"""

from functools import cached_property
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import urlsplit

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from forecourt.marketplace.events import Event
from forecourt.marketplace.events import Request as Recorded
from forecourt.settings import settings
from forecourt.web import bearer, event_bodies, origins, proxy
from forecourt.web.access import at_hand_of, identify
from forecourt.web.event_bodies import Body, GivenEvent
from forecourt.web.event_intake import EventIntake
from forecourt.web.guard import foreign
from forecourt.web.people import Role, Scope
from forecourt.web.visitor_rate import VisitorRate

REALM = 'Bearer realm="forecourt"'
BEARER = {"WWW-Authenticate": REALM}
VISITOR = frozenset({"ip", "user_agent", "purpose"})
PURPOSES = ("sec-purpose", "purpose", "x-moz")


class Events:
    """The address at which events come in: one of a server, since it counts what each visitor
    sends.
    """

    def __init__(self) -> None:
        self._intake = EventIntake()
        self._rate = VisitorRate()

    async def record(self, request: Request) -> Response:
        """Record the events that a request holds, and say what became of them, once they are
        committed.
        """
        allowed = origins.allowing(request.headers)
        try:
            shown = bearer.shown(request.headers)
            sender = None if shown is None else await _sender(request, shown)
            body = event_bodies.read(await _whole(request), request.headers.get("content-type", ""))
            if sender is None:
                sender = await _sender(request, body.token)
            return await self._recorded(request, body, sender, allowed)
        except HTTPException as refusal:  # a page's script reads why only when it is let
            raise HTTPException(refusal.status_code, refusal.detail, {**(refusal.headers or {}), **allowed}) from None

    async def preflight(self, request: Request) -> Response:
        """Say to a browser what a page of that site may send."""
        return Response(headers=origins.preflight(request.headers))

    async def _recorded(self, request: Request, body: Body, sender: str, allowed: dict[str, str]) -> Response:
        given = event_bodies.events_of(body)
        own = _Own(request)
        from_page = "origin" in request.headers
        events = [_event(each, own, from_page, position) for position, each in enumerate(given)]
        kept = [event for event in events if not self._rate.over(event)]
        if not kept:
            raise HTTPException(429, "this visitor sends too many events", {"Retry-After": "60"})
        key = event_bodies.checked_key(request.headers.get("idempotency-key") or body.key)
        counts = await self._intake.record(Recorded(kept, key and f"{sender} {key}"))
        answer = orjson.dumps({"status": "ok", **counts, "limited": len(events) - len(kept)})
        return Response(answer, headers={"Cache-Control": "no-store", **allowed}, media_type="application/json")


_events = Events()
record, preflight = _events.record, _events.preflight


def _event(given: GivenEvent, own: "_Own", from_page: bool, position: int) -> Event:
    """As it is recorded. A server names the visitor; a page's visitor is who sends the request, and
    names nobody.
    """
    said = given.model_fields_set
    if from_page and (wrong := said & VISITOR):
        raise HTTPException(422, f"events[{position}].{min(wrong)}: a page does not name its visitor; leave it out")
    return Event(
        given.listing_id,
        given.type,
        (given.ip and proxy.plain(given.ip)) if "ip" in said else own.ip,
        given.user_agent if "user_agent" in said else own.user_agent,
        given.purpose if "purpose" in said else own.purpose,
        given.at,
    )


class _Own:
    """What a request says of the visitor who sends it, each looked up when an event does not say
    it: a server's events mostly do.
    """

    def __init__(self, request: Request) -> None:
        self._request = request

    @cached_property
    def ip(self) -> IPv4Address | IPv6Address | None:
        return proxy.address(proxy.client(self._request))

    @cached_property
    def user_agent(self) -> str:
        return self._request.headers.get("user-agent", "")

    @cached_property
    def purpose(self) -> str | None:
        headers = self._request.headers
        return next((headers[name] for name in PURPOSES if name in headers), None)


async def _sender(request: Request, token: str | None) -> str:
    """Who sends, by their token. A cookie counts for nothing: it comes along with whatever a page
    sends, and says who looks at it. Without a token only a page of this server's own may, where
    nobody is asked who they are. Raises SignIn and HTTPException."""
    if token is None and (why := foreign(request.headers, urlsplit(settings().base_url).netloc)):
        raise HTTPException(401, f"{why}, and there is no token: forecourt web token add NAME --scope events", BEARER)
    person = None if token is None else at_hand_of(token)
    if person is None:
        person = await run_in_threadpool(identify, _bare(request, token))
    if not person.may(Role.OPERATOR, Scope.EVENTS):
        words = f"{person.name} may not send events: its token needs the scope events"
        raise HTTPException(403, words, {"WWW-Authenticate": f'{REALM}, error="insufficient_scope", scope="events"'})
    return person.name or ""


def _bare(request: Request, token: str | None) -> Request:
    """The request with this token and no cookies."""
    headers = [(name, value) for name, value in request.scope["headers"] if name not in (b"cookie", b"authorization")]
    if token is not None:
        headers.append((b"authorization", f"Bearer {token}".encode("latin-1", "replace")))
    return Request({**request.scope, "headers": headers})


async def _whole(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > event_bodies.LONGEST_BODY:
            raise HTTPException(413, f"more than {event_bodies.LONGEST_BODY // 1024} KB; send fewer events a request")
    return bytes(body)
