"""What a request for events may hold: one event, a list of them, or an object with `events`, a `token` and an `idempotency_key`.

The last two are for `navigator.sendBeacon`, which sends no headers of one's own. Whatever type a body says it has, it is JSON; or a
form of one event, as `URLSearchParams` makes it.
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
    """One event as it was sent. What is left out of a visitor is the request's own; null is unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    listing_id: Annotated[int, Field(ge=1, lt=2**63)]
    type: EventType
    ip: IPvAnyAddress | None = None
    user_agent: Header | None = None
    purpose: Header | None = None
    at: AwareDatetime | None = None


@dataclass(frozen=True, slots=True)
class Body:
    """What a request holds."""

    events: Sequence[GivenEvent]
    token: str | None = None
    key: str | None = None


_EVENTS = TypeAdapter(list[GivenEvent])


def read(body: bytes, kind: str) -> Body:
    """The events of a body of this Content-Type. Raises HTTPException 422, which names the first field that will not do."""
    given = _form(body) if kind.startswith("application/x-www-form-urlencoded") else _json(body)
    token = key = None
    if isinstance(given, dict) and "listing_id" not in given:
        token, key = _text(given, "token"), _text(given, "idempotency_key")
        given = given.get("events")
    elif isinstance(given, dict):
        token, key = _text(given, "token"), _text(given, "idempotency_key")
        given = [{name: value for name, value in given.items() if name not in ("token", "idempotency_key")}]
    if not isinstance(given, list) or not given:
        raise HTTPException(422, 'there are no events: send {"listing_id": 42, "type": "view"}, or a list of such')
    if len(given) > MOST_EVENTS:
        raise HTTPException(422, f"{len(given)} events; at most {MOST_EVENTS} a request")
    try:
        return Body(_EVENTS.validate_python(given), token, checked_key(key))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = f"events[{first['loc'][0]}]" + "".join(f".{part}" for part in first["loc"][1:2])
        raise HTTPException(422, f"{where}: {first['msg'][:1].lower()}{first['msg'][1:]}") from None


def checked_key(key: str | None) -> str | None:
    """An idempotency key. Raises HTTPException 422 for one that will not do."""
    if key is not None and not (1 <= len(key) <= 200 and key.isprintable()):
        raise HTTPException(422, "an idempotency key has 1 to 200 printable characters, such as a UUID")
    return key


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise HTTPException(422, f"the body is not JSON: {error}") from None


def _form(body: bytes) -> dict[str, Any]:
    return dict(parse_qsl(body.decode(errors="replace"), errors="replace"))


def _text(given: dict[str, Any], name: str) -> str | None:
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        raise HTTPException(422, f"{name} must be a text")
    return value
