"""Answers operations over HTTP: reads the request as the function's signature says, calls it, and
writes what it returns.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from forecourt.extras import lacking
from forecourt.web import answers, database
from forecourt.web.api.document import document
from forecourt.web.api.errors import Refusal
from forecourt.web.api.operation import ROOT, Operation, shape, values
from forecourt.web.api.table import OPERATIONS
from forecourt.web.application import application, may_have_marketplace
from forecourt.web.people import Role, person_of
from forecourt.web.routes import Rule

LONGEST_BODY = 256 * 1024
"""Bytes of a request: a thousand ids of twenty digits take less than a tenth of it."""


class Unfit(Exception):
    """What a request contains is not what the operation takes."""

    def __init__(self, status: int, detail: str, errors: list[dict[str, str]] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.more: dict[str, Any] = {"errors": errors} if errors else {}


def rules() -> tuple[Rule, ...]:
    """The API's part of the table of routes. The document is for whoever may look."""
    served = (Rule(one.method, one.route, _answering(one), one.role, raw=True) for one in OPERATIONS)
    return (Rule("GET", f"{ROOT}/openapi.json", _document, Role.VIEWER), *served)


def _document(_: Request) -> Response:
    """This document."""
    there = may_have_marketplace() and lacking() is None
    return JSONResponse(document(marketplace=there), headers={"Cache-Control": "no-store"})


def _answering(operation: Operation) -> Any:
    async def answer(request: Request) -> Response:
        try:
            read = (
                _from_query(operation, request) if operation.method == "GET" else await _from_body(operation, request)
            )
            found = await run_in_threadpool(_perform, operation, read, request)
        except Unfit as error:
            return answers.problem(error.status, str(error), **error.more)
        except Refusal as error:
            return answers.problem(error.status, str(error))
        return Response(found, media_type="application/json", headers={"Cache-Control": "no-store"})

    return answer


def _perform(operation: Operation, read: BaseModel, request: Request) -> bytes:
    known, person = shape(operation.does), person_of(request)
    given = {
        name: value()
        for name, value in (("who", lambda: person.who), ("app", application), ("person", lambda: person))
        if name in known.given
    }
    if operation.method == "GET":
        with database.reading() as look:
            found = operation.does(look.tx, **values(read), **given)
    else:
        with database.acting() as tx:
            found = operation.does(tx, **values(read), **given)
    return known.result.dump_json(found)


def _from_query(operation: Operation, request: Request) -> BaseModel:
    known = shape(operation.does)
    given: dict[str, Any] = dict(request.path_params)
    for name in dict.fromkeys(request.query_params):
        several = request.query_params.getlist(name)
        if len(several) > 1 and name not in known.lists:
            raise Unfit(422, f"{name}: given {len(several)} times; there can be one")
        given[name] = several if name in known.lists else several[0]
    return _read(lambda: known.request.model_validate(given))


async def _from_body(operation: Operation, request: Request) -> BaseModel:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LONGEST_BODY:
            raise Unfit(413, f"the body is longer than {LONGEST_BODY // 1024} kB")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and kind != "application/json":
        raise Unfit(415, f"expected a body of application/json, not {kind or 'one that does not say what it is'!r}")
    return _read(lambda: shape(operation.does).request.model_validate_json(body or b"{}", strict=True))


def _read(validate: Any) -> BaseModel:
    try:
        read: BaseModel = validate()
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False, include_context=False)
        if wrong[0]["type"] == "json_invalid":
            raise Unfit(400, f"the body is not JSON: {wrong[0]['msg']}") from None
        errors = [{"field": ".".join(map(str, one["loc"]))[:200], "why": one["msg"]} for one in wrong[:20]]
        words = "; ".join(f"{one['field']}: {one['why']}" if one["field"] else one["why"] for one in errors)
        raise Unfit(422, words, errors) from None
    _refuse_nul(values(read))
    return read


def _refuse_nul(given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        texts = value if isinstance(value, list) else [value]
        if any(isinstance(text, str) and "\x00" in text for text in texts):
            raise Unfit(422, f"{name}: there is a NUL in it, which no name can contain")
