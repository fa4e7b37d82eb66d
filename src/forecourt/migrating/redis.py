"""As much of Redis's protocol as taking messages from a list needs."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

TIMEOUT = 30.0


class RedisError(RuntimeError):
    """Redis does not answer, or answers with an error."""


class Redis:
    """A connection. Commands go one by one."""

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened
        self._answers = opened.makefile("rb")

    def ask(self, *words: str | bytes | int) -> Any:
        """Send a command, and return its answer: bytes, a number, a list or None. Raises
        RedisError.
        """
        parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        try:
            self._socket.sendall(
                b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
            )
            return self._answer()
        except OSError as error:
            raise RedisError(f"Redis does not answer: {error}") from None

    def _answer(self) -> Any:
        line = self._answers.readline()
        kind, rest = line[:1], line[1:].rstrip(b"\r\n")
        match kind:
            case b"+":
                return rest
            case b"-":
                raise RedisError(f"Redis says {rest.decode(errors='replace')}")
            case b":":
                return int(rest)
            case b"$":
                return None if rest == b"-1" else self._answers.read(int(rest) + 2)[:-2]
            case b"*":
                return [self._answer() for _ in range(int(rest))]
            case _:
                raise RedisError("Redis has closed the connection")


@contextmanager
def connected(url: str) -> Iterator[Redis]:
    """A connection to redis://user:password@host:port/number, or rediss://. Raises RedisError and
    ValueError.
    """
    parts = urlsplit(url)
    number = parts.path.strip("/") or "0"
    if parts.scheme not in ("redis", "rediss") or not number.isdigit():
        raise ValueError(
            f"{parts.scheme}://{parts.hostname or ''}{parts.path}: expected redis://user:password@host:port/number"
        )
    host = parts.hostname or "localhost"
    try:
        opened = socket.create_connection((host, parts.port or 6379), TIMEOUT)
    except OSError as error:
        raise RedisError(f"there is no Redis at {host}:{parts.port or 6379}: {error}") from None
    with opened:
        if parts.scheme == "rediss":
            opened = ssl.create_default_context().wrap_socket(opened, server_hostname=host)
        redis = Redis(opened)
        if parts.password:
            redis.ask("AUTH", *([unquote(parts.username)] if parts.username else []), unquote(parts.password))
        redis.ask("SELECT", number)
        yield redis
