"""What visitors do with listings: one function records it, in Python and in SQL (`record_event`),
for one event or many.

A view by a person goes into the raw events and, once a visitor and listing in half an hour, into
`views_count`. What programs do, the previews that messengers make of a link and pages fetched ahead
among them, is kept under the type `bot` and counted by itself. What is kept of an address, the half
hour, and what else is a program are business settings.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Literal, TypeAlias

import orjson
import psycopg
from sqlalchemy import Connection
from sqlalchemy.orm import Session

from forecourt.database import in_transaction_of
from forecourt.database import session as transaction

EventType: TypeAlias = Literal["view", "contact_phone", "contact_whatsapp", "favorite", "share"]

RECORD = """
SELECT record_events(
    %(listing_ids)s::bigint[],
    %(types)s::text[],
    %(ips)s::inet[],
    %(user_agents)s::text[],
    %(purposes)s::text[],
    %(happened_at)s::timestamptz[]
)
"""
# A key of yesterday's is new again, whether it is forgotten already or not. One of today's is
# locked, though it stays as it is: what it was answered is still there when it is read.
TAKE_KEYS = """
INSERT INTO event_requests AS before (key)
SELECT key
FROM unnest(%(keys)s::text[]) AS key
ORDER BY key
ON CONFLICT (key) DO UPDATE
SET asked_at = excluded.asked_at,
    answer = NULL
WHERE before.asked_at <= now() - interval '1 day'
RETURNING key
"""
ANSWERED = "SELECT key, answer FROM event_requests WHERE key = ANY (%(keys)s)"
ANSWER = """
UPDATE event_requests
SET answer = said.answer
FROM jsonb_each(%(answers)s::jsonb) AS said(key, answer)
WHERE event_requests.key = said.key
"""


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `user_agent` and `purpose` (of Sec-Purpose, Purpose or X-Moz) are the visitor's
    headers; None where they are not known. `at` is an aware instant of the last seven days; None is
    now."""

    listing_id: int
    type: EventType
    ip: str | IPv4Address | IPv6Address | None = None
    user_agent: str | None = None
    purpose: str | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """Events that are recorded together. A second request of the same `key`, within a day, records
    nothing and gets the answer of the first."""

    events: Sequence[Event]
    key: str | None = None


Counts: TypeAlias = dict[str, int]
"""What became of a request's events: how many were `recorded`, and how many of those were `bots`;
how many were `unknown`, of listings that there are not."""


def record_event(
    listing_id: int,
    type: EventType,  # noqa: A002 - the word for it everywhere
    *,
    ip: str | None = None,
    user_agent: str | None = None,
    purpose: str | None = None,
    at: datetime | None = None,
    session: Session | Connection | psycopg.Connection[Any] | None = None,
) -> str:
    """Record one event, in the transaction of `session` if there is one. Returns what it was
    recorded as: its type, `bot`, or `unknown` for a listing that there is not, of which nothing is
    kept. Raises DataError for a wrong type or time."""
    return record_events([Event(listing_id, type, ip, user_agent, purpose, at)], session=session)[0]


def record_events(
    events: Sequence[Event], *, session: Session | Connection | psycopg.Connection[Any] | None = None
) -> list[str]:
    """Record many in one statement, all or none. Returns what each was recorded as."""
    if session is None:
        with transaction() as tx:
            return _record(in_transaction_of(tx), events)
    return _record(in_transaction_of(session), events)


def record_requests(tx: psycopg.Connection[Any], requests: Sequence[Request]) -> list[Counts]:
    """Record the events of several requests in one statement, all or none, and say of each what
    became of it.
    """
    answers: dict[str, Counts] = {}
    taken = _taken(tx, {request.key for request in requests if request.key})
    new: list[Request] = []
    for request in requests:
        if request.key is None or request.key in taken:
            new.append(request)
            taken.discard(request.key or "")
    outcomes = iter(_record(tx, [event for request in new for event in request.events]))
    fresh = {id(request): _counts([next(outcomes) for _ in request.events]) for request in new}
    if keyed := {request.key: fresh[id(request)] for request in new if request.key}:
        tx.execute(ANSWER, {"answers": orjson.dumps(keyed).decode()})
    if repeated := [request.key for request in requests if id(request) not in fresh]:
        answers = dict(tx.execute(ANSWERED, {"keys": repeated}).fetchall())
    return [fresh[id(request)] if id(request) in fresh else answers[request.key or ""] for request in requests]


def _taken(tx: psycopg.Connection[Any], keys: set[str]) -> set[str]:
    """Those of these keys that nobody had before."""
    return {key for (key,) in tx.execute(TAKE_KEYS, {"keys": list(keys)})} if keys else set()


def _record(tx: psycopg.Connection[Any], events: Sequence[Event]) -> list[str]:
    if not events:
        return []
    row = tx.execute(RECORD, _columns(events)).fetchone()
    assert row is not None
    outcomes: list[str] = row[0]
    return outcomes


def _columns(events: Sequence[Event]) -> Mapping[str, Any]:
    return {
        "listing_ids": [event.listing_id for event in events],
        "types": [event.type for event in events],
        "ips": [None if event.ip is None else str(event.ip) for event in events],
        "user_agents": [event.user_agent for event in events],
        "purposes": [event.purpose for event in events],
        "happened_at": [event.at for event in events],
    }


def _counts(outcomes: Sequence[str]) -> Counts:
    found = Counter(outcomes)
    return {
        "recorded": len(outcomes) - found["unknown"],
        "bots": found["bot"],
        "unknown": found["unknown"],
    }
