"""The shape of every JSON answer: a status, words when something is wrong, and never out of a
cache.

What the API refuses is a problem as RFC 9457 has it.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse

API = "/api/"


def ok(**facts: Any) -> JSONResponse:
    """200, with whatever there is to tell."""
    return JSONResponse({"status": "ok", **facts}, headers={"Cache-Control": "no-store"})


def refusal(path: str, status: int, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The error of a request for `path`: a problem under the API, else as `error`."""
    if not path.startswith(API):
        return error(status, message, headers)
    if message == HTTPStatus(status).phrase:  # what no route took
        message = (
            f"nothing of this method is at {path}: {API}v1/openapi.json names every address, each with its methods"
        )
    return problem(status, message, headers)


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None, **more: Any) -> JSONResponse:
    """problem+json: what the status means, what was wrong here, and whatever else there is to
    tell.
    """
    content = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more}
    more_headers = {**(headers or {}), "Cache-Control": "no-store"}
    return JSONResponse(content, status, more_headers, "application/problem+json")


def error(status: int, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """An HTTP status of 400 or above, and why."""
    content = {"status": "error", "message": message}
    return JSONResponse(content, status, headers={**(headers or {}), "Cache-Control": "no-store"})
