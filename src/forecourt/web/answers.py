"""The shape of every JSON answer: a status, words when something is wrong, and never out of a cache."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse


def ok(**facts: Any) -> JSONResponse:
    """200, with whatever there is to tell."""
    return JSONResponse({"status": "ok", **facts}, headers={"Cache-Control": "no-store"})


def error(status: int, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """An HTTP status of 400 or above, and why."""
    content = {"status": "error", "message": message}
    return JSONResponse(content, status, headers={**(headers or {}), "Cache-Control": "no-store"})
