"""What the document says of the routes under the API that read their bodies by themselves: the marketplace's ways in.

Method, path, scope and description come from the table of routes. Only what a body may be has to be said here.
"""

import re
from typing import Any

from forecourt.web.api.operation import ROOT
from forecourt.web.event_bodies import GivenEvent
from forecourt.web.routes import Rule

EVENT: dict[str, Any] = GivenEvent.model_json_schema()

EVENTS: dict[str, Any] = {
    "application/json": {
        "schema": {"anyOf": [EVENT, {"type": "array", "items": EVENT, "minItems": 1, "maxItems": 1000}]}
    }
}

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

BODIES = {"/events": EVENTS, "/listings/{id}/photos": PHOTOS}
"""By path, for whatever sends a body there."""


def entry(rule: Rule) -> tuple[str, dict[str, Any]]:
    """A route's path in the document, and what stands there of it."""
    path = rule.path.removeprefix(ROOT)
    name = getattr(rule.endpoint, "__name__", "").strip("_")
    scopes = [scope for scope in (rule.scope, "operate" if rule.method != "GET" else "read") if scope]
    written: dict[str, Any] = {
        "operationId": f"intake_{name}",
        "tags": ["intake"],
        "summary": " ".join((rule.endpoint.__doc__ or "").split()),
        "description": f"Needs the scope {' or '.join(f'`{scope}`' for scope in scopes)}.",
        "responses": {
            "2XX": {"description": "Taken.", "content": {"application/json": {"schema": {"type": "object"}}}}
        },
        "parameters": [
            {"name": named, "in": "path", "required": True, "schema": {"type": "string"}}
            for named in re.findall(r"\{(\w+)\}", path)
        ],
    }
    if rule.method != "GET" and path in BODIES:
        written["requestBody"] = {"required": True, "content": BODIES[path]}
    return path, written
