"""What the document says of the routes under the API that read their bodies by themselves: the
marketplace's ways in.

Method, path, scope and description come from the table of routes. Only what a body may be has to be
said here.
"""

import re
from typing import Any

from forecourt.web.api.operation import ROOT
from forecourt.web.routes import Later, Rule

PHOTOS: dict[str, Any] = {
    "application/json": {
        "schema": {
            "type": "object",
            "required": ["images"],
            "properties": {"images": {"type": "array", "minItems": 1, "items": {"type": "string"}}},
        }
    },
    "multipart/form-data": {"schema": {"type": "object"}},
    "image/*": {},
}


def _events() -> dict[str, Any]:
    """One event, a list of them, or what a beacon sends, which has no headers of one's own."""
    from forecourt.web.event_bodies import MOST_EVENTS, GivenEvent

    event = GivenEvent.model_json_schema()
    many = {"type": "array", "items": event, "minItems": 1, "maxItems": MOST_EVENTS}
    beacon = {
        "type": "object",
        "description": "As `navigator.sendBeacon` sends it.",
        "additionalProperties": False,
        "required": ["events"],
        "properties": {
            "events": many,
            "token": {"type": "string"},
            "idempotency_key": {"type": "string", "minLength": 1, "maxLength": 200},
        },
    }
    return {"anyOf": [event, many, beacon]}


def _browsers(method: str) -> dict[str, Any]:
    """A subscription, or the endpoint of one."""
    from forecourt.web.push import Keys, Subscribing, Unsubscribing

    if method == "DELETE":
        return Unsubscribing.model_json_schema()
    schema = Subscribing.model_json_schema()
    subscription = schema.pop("$defs")["Subscription"]
    subscription["properties"]["keys"] = Keys.model_json_schema()
    schema["properties"]["subscription"] = subscription
    return schema


def _bodies(method: str, path: str) -> dict[str, Any] | None:
    """What may be sent to a path."""
    match path:
        case "/events":
            return {"application/json": {"schema": _events()}}
        case "/push/subscriptions":
            return {"application/json": {"schema": _browsers(method)}}
        case "/listings/{id}/photos":
            return PHOTOS
        case _:
            return None


COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}


def _answer(required: dict[str, Any], **others: Any) -> dict[str, Any]:
    """What an answer holds, beside its status."""
    properties = {"status": {"const": "ok"}, **required}
    return {"type": "object", "required": [*properties], "properties": properties | others}


ENTERED = _answer(
    {"call": {"type": "integer"}, "photos": {"type": "integer", "minimum": 1}, "progress": {"type": "string"}}
)

ANSWERS: dict[tuple[str, str], tuple[str, str, dict[str, Any]]] = {
    ("GET", "/openapi.json"): ("200", "This document.", {"type": "object"}),
    ("POST", "/events"): (
        "200",
        "They are committed. What became of them, and how many were left out because their visitor sends too many.",
        _answer({"recorded": COUNT, "bots": COUNT, "unknown": COUNT, "limited": COUNT}),
    ),
    ("POST", "/listings/{id}/photos"): ("202", "The photos are kept, and wait to be made.", ENTERED),
    ("PUT", "/listings/{id}/photos"): ("202", "The photos are kept, and wait to be made.", ENTERED),
    ("POST", "/push/subscriptions"): ("201", "The user is told in this browser.", _answer({"id": {"type": "integer"}})),
    ("DELETE", "/push/subscriptions"): (
        "200",
        "Nobody is told in this browser; `removed` says whether somebody was.",
        _answer({"removed": {"type": "boolean"}}),
    ),
    ("GET", "/listings/{id}/photos/{call}"): (
        "200",
        "How far the call is.",
        _answer(
            {
                "call": {"type": "integer"},
                "state": {"enum": ["waiting", "running", "done", "failed", "cancelled", "discarded"]},
                "attempts": COUNT,
            },
            done={"type": "number"},
            total={"type": ["number", "null"]},
            words={"type": ["string", "null"]},
            result={},
            message={"type": "string"},
        ),
    ),
}
"""The status, what it means, and what the answer holds."""

KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A request that is sent again with the same key within a day is recorded once, and answered as it was first.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[ -~]+$"},
}


def entry(rule: Rule) -> tuple[str, dict[str, Any]]:
    """A route's path in the document, and what stands there of it."""
    path = rule.path.removeprefix(ROOT)
    endpoint = rule.endpoint.found() if isinstance(rule.endpoint, Later) else rule.endpoint
    name = getattr(endpoint, "__name__", "").strip("_")
    status, means, holds = ANSWERS[rule.method, path]
    scopes = [scope for scope in (rule.scope, "operate" if rule.method != "GET" else "read") if scope]
    written: dict[str, Any] = {
        "operationId": f"{endpoint.__module__.rpartition('.')[2]}_{name}",
        "tags": ["intake"],
        "summary": " ".join((endpoint.__doc__ or "").split()),
        "description": f"Needs the scope {' or '.join(f'`{scope}`' for scope in scopes)}.",
        "responses": {status: {"description": means, "content": {"application/json": {"schema": holds}}}},
        "parameters": [
            {"name": named, "in": "path", "required": True, "schema": {"type": "string"}}
            for named in re.findall(r"\{(\w+)\}", path)
        ],
    }
    if path == "/events":
        written["parameters"].append(KEY)
    if rule.method != "GET" and (bodies := _bodies(rule.method, path)):
        written["requestBody"] = {"required": True, "content": bodies}
    return path, written
