"""Tokens that programs send: `Authorization: Bearer`.

A browser sends this header only for a page's script, and to another server only when that server
lets it. So a request that bears a token needs no proof of where it comes from; and its cookies are
not looked at, since they might be somebody else's.
"""

import logging
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import NoReturn

import psycopg
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request

from forecourt.store import people, tokens
from forecourt.web import database
from forecourt.web.people import Person, program
from forecourt.web.proxy import client

log = logging.getLogger("forecourt.web")

WINDOW = timedelta(minutes=5)
TRIES = 30
"""Wrong tokens from one address within the window."""

CANNOT_WRITE = (psycopg.errors.ReadOnlySqlTransaction, psycopg.errors.FeatureNotSupported)
"""What a standby says. It answers all the same, and counts nothing."""

INVALID = {"WWW-Authenticate": 'Bearer realm="forecourt", error="invalid_token"'}


def shown(headers: Headers) -> str | None:
    """The token that a request bears; None when it bears none."""
    scheme, _, text = headers.get("authorization", "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else None


def holder(digest: bytes) -> Person | None:
    """Whoever has the token of this digest; its use is noted."""
    with database.reading() as look:
        found = tokens.find(look.tx, digest)
    if found is None:
        return None
    if found.stale:
        with suppress(*CANNOT_WRITE), database.acting() as tx:
            tokens.note_use(tx, found.name)
    return program(found.name, found.scopes)


def refuse(request: Request) -> NoReturn:
    """Refuse a token that is good for nothing, and slow down whoever sends many.

    A right one is never held up: it cannot be guessed, and a program with an old one may ask
    through the same proxy as all others.
    """
    where = client(request)
    key = f"token from {where}"
    count, ends_at = 0, datetime.now(UTC)
    with suppress(*CANNOT_WRITE), database.acting() as tx:
        count, ends_at = people.count_try(tx, key, WINDOW)
        people.forget_tries(tx)
    if count > TRIES:
        seconds = max(1, ceil((ends_at - datetime.now(UTC)).total_seconds()))
        raise HTTPException(429, "Too many wrong tokens from this address", {"Retry-After": str(seconds)})
    log.warning("a token was refused", extra={"client": where})
    raise HTTPException(401, "This token is unknown, or it is over. See: forecourt web token list", INVALID)
