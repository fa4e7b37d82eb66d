"""The OpenAPI document, from the table that serves the operations."""

from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter

from forecourt.version import __version__
from forecourt.web.api import intake
from forecourt.web.api.operation import ROOT, Operation, shape
from forecourt.web.api.table import OPERATIONS
from forecourt.web.people import ROLE_OF_SCOPE
from forecourt.web.routes import Rule

PROBLEM = {
    "type": "object",
    "description": "A problem as RFC 9457 has it. `errors` names the fields that do not fit.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "why"],
                "properties": {"field": {"type": "string"}, "why": {"type": "string"}},
            },
        },
    },
}

REFUSED = {
    "description": "Refused, and why.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


@lru_cache(maxsize=2)
def document(*, marketplace: bool = True) -> dict[str, Any]:
    """OpenAPI 3.1, with the marketplace's ways in or without. Raises CannotLoad where the packages
    are missing that they need.
    """
    results = [(operation.id, "serialization", shape(operation.does).result) for operation in OPERATIONS]
    found, together = TypeAdapter.json_schemas(results, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    schemas = {**together.get("$defs", {}), "Problem": PROBLEM}
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        entry = _entry(operation, found[operation.id, "serialization"])
        paths.setdefault(operation.path, {})[operation.method.lower()] = entry
    for rule in _others(marketplace):
        path, described = intake.entry(rule)
        described["responses"] |= {"4XX": REFUSED, "503": REFUSED}
        paths.setdefault(path, {})[rule.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Forecourt",
            "version": __version__,
            "description": "What the pages show and do. A program sends a token: `forecourt web token add NAME`.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": ROOT}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _others(marketplace: bool) -> list[Rule]:
    """The routes under the API that are no operations of its table. What a browser asks before it
    sends is left out.
    """
    from forecourt.web.table import RULES  # which has the route of this document

    known = {(operation.method, operation.route) for operation in OPERATIONS}
    return [
        rule
        for rule in RULES
        if rule.path.startswith(f"{ROOT}/") and rule.method != "OPTIONS" and (rule.method, rule.path) not in known
        if marketplace or not rule.of_marketplace
    ]


def _entry(operation: Operation, result: dict[str, Any]) -> dict[str, Any]:
    schema = shape(operation.does).request.model_json_schema()
    summary, _, more = " ".join((operation.does.__doc__ or "").split()).partition(". ")
    scope = next(scope for scope, role in ROLE_OF_SCOPE.items() if role is operation.role)
    entry: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": f"{summary.removesuffix('.')}.",
        "description": f"{more} Needs the scope `{scope}`.".strip(),
        "responses": {
            "200": {"description": "Done.", "content": {"application/json": {"schema": result}}},
            "4XX": REFUSED,
            "503": REFUSED,
        },
    }
    in_path = {name: one for name, one in schema["properties"].items() if f"{{{name}}}" in operation.path}
    others = {name: one for name, one in schema["properties"].items() if name not in in_path}
    needed = schema.get("required", [])
    parameters = [_parameter("path", name, one, True) for name, one in in_path.items()]
    if operation.method == "GET":
        parameters += [_parameter("query", name, one, name in needed) for name, one in others.items()]
    elif others:
        body = {"type": "object", "additionalProperties": False, "properties": others, "required": needed}
        entry["requestBody"] = {"required": bool(needed), "content": {"application/json": {"schema": body}}}
    return entry | ({"parameters": parameters} if parameters else {})


def _parameter(place: str, name: str, schema: dict[str, Any], required: bool) -> dict[str, Any]:
    """In an address there is no null: what is not given is left out."""
    options = [one for one in schema.get("anyOf", []) if one != {"type": "null"}]
    plain = {key: value for key, value in schema.items() if key != "anyOf" and not (key == "default" and value is None)}
    return {
        "name": name,
        "in": place,
        "required": required,
        "schema": plain | (options[0] if options else {}),
    }
