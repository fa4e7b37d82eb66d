"""Celery's lists in Redis, in the protocol that it has written since version 4."""

import base64
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from forecourt.migrating.redis import Redis
from forecourt.migrating.waiting import CannotBeTaken, Waiting

PRIORITIES = ("", "\x06\x163", "\x06\x166", "\x06\x169")
"""What Celery puts behind a queue's name for its four steps of priority, the most urgent first."""


def read(redis: Redis, queue: str) -> Iterator[Waiting]:
    """What waits, the oldest first. What a worker has fetched is not in the list: stop the workers,
    and they put it back.
    """
    for suffix in PRIORITIES:
        key = f"{queue}{suffix}"
        for raw in reversed(redis.ask("LRANGE", key, 0, -1)):
            yield message((key, raw), raw)


def forget(redis: Redis, references: Sequence[tuple[str, bytes]]) -> None:
    """Remove what was taken, by its exact text, from the end of the list that is fetched from."""
    for key, raw in references:
        redis.ask("LREM", key, -1, raw)


def message(reference: Any, raw: bytes) -> Waiting:
    """One entry of a list."""
    name = "?"
    try:
        message = json.loads(raw)
        headers = message["headers"]
        name = headers["task"]
        positional, named, embedded = _body(message)
        if any(embedded.get(what) for what in ("callbacks", "errbacks", "chain", "chord")) or headers.get("group"):
            raise CannotBeTaken("it is part of a chain, group or chord: let Celery finish it")
        expires = _instant(headers.get("expires"))
        if expires is not None and expires <= datetime.now(UTC):
            raise CannotBeTaken(f"it expired at {expires.isoformat()}")
        due = _instant(headers.get("eta"))
        return Waiting(reference, name, named, positional, due if due and due > datetime.now(UTC) else None)
    except CannotBeTaken as error:
        return Waiting(reference, name, problem=str(error))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Waiting(reference, name, problem="it is not a message of Celery's protocol 2")


def _body(message: dict[str, Any]) -> tuple[list[Any], dict[str, Any], dict[str, Any]]:
    if message["content-type"] != "application/json":
        raise CannotBeTaken(f"its arguments are {message['content-type']}, and only JSON is read")
    body = message["body"]
    if message["properties"].get("body_encoding") == "base64":
        body = base64.b64decode(body)
    positional, named, embedded = json.loads(body)
    return positional, named, embedded or {}


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    at = datetime.fromisoformat(text)
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
