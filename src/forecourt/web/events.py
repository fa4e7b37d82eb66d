"""`POST /api/v1/events`: what visitors do, sent by a site's server, or by its pages (`fetch`, `navigator.sendBeacon`)."""

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from forecourt.marketplace.events import Event
from forecourt.marketplace.events import Request as Recorded
from forecourt.web import answers, bearer, event_bodies, origins
from forecourt.web.access import at_hand, identify
from forecourt.web.event_bodies import Body, GivenEvent
from forecourt.web.event_intake import EventIntake
from forecourt.web.people import Role, Scope
from forecourt.web.visitor_rate import VisitorRate

PATH = "/api/v1/events"
PURPOSES = ("sec-purpose", "purpose", "x-moz")


class Events:
    """The address at which events come in: one of a server, since it counts what each visitor sends."""

    def __init__(self) -> None:
        self._intake = EventIntake()
        self._rate = VisitorRate()

    async def record(self, request: Request) -> Response:
        """Record the events that a request holds, and say what became of them, once they are committed."""
        allowed = origins.allowing(request.headers)
        try:
            body = event_bodies.read(await _whole(request), request.headers.get("content-type", ""))
            return await self._recorded(request, body, await _sender(request, body.token), allowed)
        except HTTPException as refusal:  # a page's script reads why only when it is let
            raise HTTPException(refusal.status_code, refusal.detail, {**(refusal.headers or {}), **allowed}) from None

    async def preflight(self, request: Request) -> Response:
        """Say to a browser what a page of that site may send."""
        return Response(headers=origins.preflight(request.headers))

    async def _recorded(self, request: Request, body: Body, sender: str, allowed: dict[str, str]) -> Response:
        events = [_event(given, request, position) for position, given in enumerate(body.events)]
        kept = [event for event in events if not self._rate.over(event)]
        if not kept:
            raise HTTPException(429, "this visitor sends too many events", {"Retry-After": "60"})
        key = event_bodies.checked_key(request.headers.get("idempotency-key") or body.key)
        counts = await self._intake.record(Recorded(kept, key and f"{sender} {key}"))
        answer = answers.ok(**counts, limited=len(events) - len(kept))
        answer.headers.update(allowed)
        return answer


def _event(given: GivenEvent, request: Request, position: int) -> Event:
    """As it is recorded. A server names the visitor; a page's visitor is who sends the request, and names nobody."""
    named: dict[str, Any] = {name: getattr(given, name) for name in ("ip", "user_agent", "purpose")}
    if "origin" in request.headers and (wrong := named.keys() & given.model_fields_set):
        raise HTTPException(422, f"events[{position}].{min(wrong)}: a page does not name its visitor; leave it out")
    for name, own in _of(request).items():
        if name not in given.model_fields_set:
            named[name] = own
    return Event(given.listing_id, given.type, at=given.at, **named)


def _of(request: Request) -> dict[str, str | None]:
    return {
        "ip": request.client.host if request.client else None,
        "user_agent": request.headers.get("user-agent", ""),
        "purpose": next((request.headers[name] for name in PURPOSES if name in request.headers), None),
    }


async def _sender(request: Request, token: str | None) -> str:
    """Who sends, by the token in the header or, of a beacon, in the body. A cookie counts for nothing: it comes along with whatever
    a page sends, and says who looks at it. Raises SignIn and HTTPException."""
    headers = [(name, value) for name, value in request.scope["headers"] if name != b"cookie"]
    if token is not None and bearer.shown(request.headers) is None:
        headers.append((b"authorization", f"Bearer {token}".encode("latin-1", "replace")))
    bare = Request({**request.scope, "headers": headers})
    person = at_hand(bare)
    if person is None:
        person = await run_in_threadpool(identify, bare)
    if not person.may(Role.OPERATOR, Scope.EVENTS):
        insufficient = f'Bearer realm="forecourt", error="insufficient_scope", scope="{Scope.EVENTS}"'
        raise HTTPException(
            403,
            f"{person.name} may not send events: its token needs the scope events",
            {"WWW-Authenticate": insufficient},
        )
    return person.name or ""


async def _whole(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > event_bodies.LONGEST_BODY:
            raise HTTPException(413, f"more than {event_bodies.LONGEST_BODY // 1024} KB; send fewer events a request")
    return bytes(body)
