"""Asks a server: `forecourt --url https://… --token-file …`."""

import http.client
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

import orjson

from forecourt.cli.asking import Remote
from forecourt.cli.errors import UNREACHABLE, Busy, Ended, Failed, Refused
from forecourt.version import __version__
from forecourt.web.api.errors import Conflict, NotFound, Unreadable
from forecourt.web.api.operation import ROOT, Operation, shape
from forecourt.web.api.table import OPERATIONS

if TYPE_CHECKING:
    from pydantic import TypeAdapter

PATIENCE = 30.0
"""Seconds for the connection, and for each part of the answer."""

LONGEST_ANSWER = 64 * 1024 * 1024


class Unreachable(Ended):
    """The server does not answer, or what answers is none of ours."""

    code = UNREACHABLE


def send(remote: Remote, function: Callable[..., Any], given: Mapping[str, Any]) -> Any:
    """What the server answers to the operation that this function is. Raises its refusals, Refused
    without the right token, Unreachable."""
    operation = next(one for one in OPERATIONS if one.does is function)
    method, path, body = _request(operation, given)
    status, kind, answer = _exchange(remote, method, path, body)
    if status == 200 and kind == "application/json":
        result: TypeAdapter[Any] = shape(function).result
        return result.validate_json(answer)
    raise _refusal(remote, status, kind, answer)


def _request(operation: Operation, given: Mapping[str, Any]) -> tuple[str, str, bytes | None]:
    known = {name: _plain(value) for name, value in given.items() if value is not None}
    path = ROOT + operation.path
    for name in list(known):
        if f"{{{name}}}" in path:
            path = path.replace(f"{{{name}}}", quote(str(known.pop(name)), safe=""))
    if operation.method == "POST":
        return "POST", path, orjson.dumps(known)
    return "GET", f"{path}?{urlencode(known, doseq=True)}" if known else path, None


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return list(value)
    return value.isoformat() if hasattr(value, "isoformat") else value


def _exchange(remote: Remote, method: str, path: str, body: bytes | None) -> tuple[int, str, bytes]:
    parts = urlsplit(remote.url)
    made = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    headers = {"Accept": "application/json", "User-Agent": f"forecourt/{__version__}"}
    if remote.token:
        headers["Authorization"] = f"Bearer {remote.token}"
    if body is not None:
        headers["Content-Type"] = "application/json"
    connection = made(parts.hostname or "", parts.port, timeout=PATIENCE)
    try:
        connection.request(method, parts.path.rstrip("/") + path, body, headers)
        response = connection.getresponse()
        answer = response.read(LONGEST_ANSWER + 1)
    except ssl.SSLError as error:
        raise Unreachable(f"{remote.url} cannot be trusted: {error}") from None
    except TimeoutError:
        raise Unreachable(f"{remote.url} has not answered within {PATIENCE:.0f} s") from None
    except (OSError, socket.gaierror, http.client.HTTPException) as error:
        raise Unreachable(f"cannot reach {remote.url}: {error or type(error).__name__}") from None
    finally:
        connection.close()
    if len(answer) > LONGEST_ANSWER:
        raise Failed(f"the answer of {remote.url} is longer than {LONGEST_ANSWER // 2**20} MB; ask for less")
    if 300 <= response.status < 400:
        raise Unreachable(
            f"{remote.url} leads to {response.headers.get('location')}: give that address, a token is not passed on"
        )
    return response.status, response.headers.get_content_type(), answer


def _refusal(remote: Remote, status: int, kind: str, answer: bytes) -> Exception:
    """As it would be near."""
    if kind != "application/problem+json":
        return Unreachable(f"{remote.url} answered with {status} and {kind}: it is no Forecourt, or an older one")
    words = str(orjson.loads(answer)["detail"])
    match status:
        case 401:
            return Refused(f"{words}. On the server: forecourt web token add NAME; here: --token-file FILE")
        case 403:
            return Refused(words)
        case 404:
            return NotFound(words)
        case 409:
            return Conflict(words)
        case 429:
            return Busy(words)
        case 400 | 405 | 413 | 415 | 422:
            return Unreadable(words)
        case 503:
            return Unreachable(f"{remote.url}: {words}")
        case _:
            return Failed(f"{remote.url} answered with {status}: {words}")
