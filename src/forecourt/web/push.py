"""`/api/v1/push/subscriptions`: the marketplace's server hands on in which browsers a user wants to
be told, and in which no more.
"""

from typing import Annotated, Any, TypeVar

import psycopg
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from forecourt.marketplace.posting import WebhookRefused
from forecourt.marketplace.push import subscribe, unsubscribe
from forecourt.web import answers
from forecourt.web.database import acting

LONGEST_BODY = 16 * 1024
"""Bytes; a browser's subscription has about 400."""

Endpoint = Annotated[str, Field(pattern=r"^https?://[!-~]+$", max_length=1_999)]
Given = TypeVar("Given", bound=BaseModel)


class Keys(BaseModel):
    """The browser's public key and its secret, as base64url."""

    model_config = ConfigDict(extra="forbid")

    p256dh: Annotated[str, Field(pattern=r"^B[A-Za-z0-9_-]{86}=?$")]
    auth: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{22}(==)?$")]


class Subscription(BaseModel):
    """What `PushSubscription.toJSON()` gives; what else it holds counts for nothing."""

    endpoint: Endpoint
    keys: Keys


class Subscribing(BaseModel):
    """Whom to tell, and where."""

    model_config = ConfigDict(extra="forbid")

    user_id: Annotated[int, Field(ge=1, lt=2**63, strict=True)]
    subscription: Subscription


class Unsubscribing(BaseModel):
    """Where to tell nobody any more."""

    model_config = ConfigDict(extra="forbid")

    endpoint: Endpoint


async def add(request: Request) -> Response:
    """Show a user's notices in a browser from now on, and nobody else's."""
    given = await _read(request, Subscribing)
    found = await run_in_threadpool(_subscribed, given)
    if found is None:
        raise HTTPException(404, f"there is no user {given.user_id}")
    return JSONResponse({"status": "ok", "id": found}, 201, headers={"Cache-Control": "no-store"})


async def remove(request: Request) -> Response:
    """Show nothing in this browser any more."""
    given = await _read(request, Unsubscribing)
    return answers.ok(removed=await run_in_threadpool(_unsubscribed, given.endpoint))


def _subscribed(given: Subscribing) -> int | None:
    try:
        with acting() as tx:
            return subscribe(tx, given.user_id, given.subscription.model_dump())
    except (WebhookRefused, psycopg.errors.CheckViolation) as error:
        raise HTTPException(422, f"subscription.endpoint: {error}") from None


def _unsubscribed(endpoint: str) -> bool:
    with acting() as tx:
        return unsubscribe(tx, endpoint)


async def _read(request: Request, kind: type[Given]) -> Given:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LONGEST_BODY:
            raise HTTPException(413, f"the body is longer than {LONGEST_BODY // 1024} kB")
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first: Any = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise HTTPException(422, f"{where or 'the body'}: {first['msg'][:1].lower()}{first['msg'][1:]}") from None
