"""What a request for events may hold: one event, a list of them, or an object with `events`, a
`token` and an `idempotency_key`.

The last two are for `navigator.sendBeacon`, which sends no headers of one's own. Whatever type a
body says it has, it is JSON; or a form of one event, as `URLSearchParams` makes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import parse_qsl

import orjson
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyAddress,
    TypeAdapter,
    ValidationError,
)
from starlette.exceptions import HTTPException

from forecourt.marketplace.events import EventType

MOST_EVENTS = 1_000
LONGEST_BODY = 512 * 1024
"""Bytes; a beacon's end at 64 KB."""


def _without_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("there is a NUL in it")
    return text


Header = Annotated[str, Field(max_length=2_000), AfterValidator(_without_nul)]


class GivenEvent(BaseModel):
    """One event as it was sent. What is left out of a visitor is the request's own; null is
    unknown.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    listing_id: Annotated[int, Field(ge=1, lt=2**63)]
    type: EventType
    ip: IPvAnyAddress | None = None
    user_agent: Header | None = None
    purpose: Header | None = None
    at: AwareDatetime | None = None


@dataclass(frozen=True, slots=True)
class Body:
    """What a request holds, not looked at any further; `unread` says why nothing of it could be
    read.
    """

    given: Any = None
    token: str | None = None
    key: str | None = None
    unread: str = ""


_EVENTS = TypeAdapter(list[GivenEvent]).validator


def read(body: bytes, kind: str) -> Body:
    """The body of a request of this Content-Type."""
    # A form is what curl says of whatever it sends.
    if kind.startswith("application/x-www-form-urlencoded") and body.lstrip()[:1] not in (b"{", b"["):
        given: Any = dict(parse_qsl(body.decode(errors="replace"), errors="replace"))
    else:
        try:
            given = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            return Body(unread=f"the body is not JSON: {error}")
    if not isinstance(given, dict):
        return Body(given)
    token, key = given.pop("token", None), given.pop("idempotency_key", None)
    for name, value in (("token", token), ("idempotency_key", key)):
        if value is not None and not isinstance(value, str):
            return Body(unread=f"{name} must be a text")
    return Body([given] if "listing_id" in given else given.get("events"), token, key)


def events_of(body: Body) -> Sequence[GivenEvent]:
    """Its events. Raises HTTPException 422, which names the first field that will not do."""
    if body.unread:
        raise HTTPException(422, body.unread)
    if not isinstance(body.given, list) or not body.given:
        raise HTTPException(422, 'there are no events: send {"listing_id": 42, "type": "view"}, or a list of such')
    if len(body.given) > MOST_EVENTS:
        raise HTTPException(422, f"{len(body.given)} events; at most {MOST_EVENTS} a request")
    try:
        events: list[GivenEvent] = _EVENTS.validate_python(body.given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = f"events[{first['loc'][0]}]" + "".join(f".{part}" for part in first["loc"][1:2])
        raise HTTPException(422, f"{where}: {first['msg'][:1].lower()}{first['msg'][1:]}") from None
    return events


def checked_key(key: str | None) -> str | None:
    """An idempotency key. Raises HTTPException 422 for one that will not do."""
    if key is not None and not (1 <= len(key) <= 200 and key.isprintable()):
        raise HTTPException(422, "an idempotency key has 1 to 200 printable characters, such as a UUID")
    return key
