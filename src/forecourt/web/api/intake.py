"""What the document says of the routes under the API that read their bodies by themselves: the marketplace's ways in.

Method, path, scope and description come from the table of routes. Only what a body may be has to be said here.
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


def _bodies(path: str) -> dict[str, Any] | None:
    """What may be sent to a path."""
    match path:
        case "/events":
            from forecourt.web.event_bodies import GivenEvent

            event = GivenEvent.model_json_schema()
            many = {"type": "array", "items": event, "minItems": 1, "maxItems": 1000}
            return {"application/json": {"schema": {"anyOf": [event, many]}}}
        case "/listings/{id}/photos":
            return PHOTOS
        case _:
            return None


def entry(rule: Rule) -> tuple[str, dict[str, Any]]:
    """A route's path in the document, and what stands there of it."""
    path = rule.path.removeprefix(ROOT)
    endpoint = rule.endpoint.found() if isinstance(rule.endpoint, Later) else rule.endpoint
    name = getattr(endpoint, "__name__", "").strip("_")
    scopes = [scope for scope in (rule.scope, "operate" if rule.method != "GET" else "read") if scope]
    written: dict[str, Any] = {
        "operationId": f"intake_{name}",
        "tags": ["intake"],
        "summary": " ".join((endpoint.__doc__ or "").split()),
        "description": f"Needs the scope {' or '.join(f'`{scope}`' for scope in scopes)}.",
        "responses": {
            "2XX": {"description": "Taken.", "content": {"application/json": {"schema": {"type": "object"}}}}
        },
        "parameters": [
            {"name": named, "in": "path", "required": True, "schema": {"type": "string"}}
            for named in re.findall(r"\{(\w+)\}", path)
        ],
    }
    if rule.method != "GET" and (bodies := _bodies(path)):
        written["requestBody"] = {"required": True, "content": bodies}
    return path, written
