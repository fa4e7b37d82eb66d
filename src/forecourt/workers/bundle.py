"""What travels to a slot, as messages, and back, as lines: calls of one job that run together, and a report on each."""

import socket
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from forecourt.jobs.outcome import BY_NAME, FINISHED, Outcome
from forecourt.store import json_text
from forecourt.store.ready import Claimed

LARGEST = 40 * 1024
"""Characters of arguments and options in one message. The kernel's default limit for a message on a Unix socket is 208 KiB, and a
character takes four bytes at most, quoted or not."""

LARGEST_MESSAGE = 200 * 1024
NEWLINE = orjson.OPT_APPEND_NEWLINE


class Item(NamedTuple):
    """One call as the slot sees it. `args` is JSON text. Both are None when they are too long to travel, and stay in the row."""

    id: int
    token: int
    args: str | None
    attempts: int
    options: dict[str, Any] | None


class Report(NamedTuple):
    """What became of one call, after so many seconds, and the tail of what it logged."""

    id: int
    outcome: Outcome
    seconds: float
    log: tuple[str, ...] = ()


def pack(job: str, threads: int, calls: Sequence[Claimed]) -> bytes:
    """A bundle as one message. With several threads, the slot is not to wait for its end."""
    return orjson.dumps(
        [
            job,
            threads,
            [[call.id, call.token, call.args, call.attempts, call.options] for call in calls],
        ]
    )


def size(call: Claimed) -> int:
    """Characters that a call takes in a message."""
    return 64 + len(call.args or "") + len(call.options or "")


def unpack(message: bytes | memoryview) -> tuple[str, int, list[Item]]:
    """The job's name, its threads, and its calls."""
    job, threads, items = orjson.loads(message)
    return job, threads, [Item(id, token, args, tries, _loaded(options)) for id, token, args, tries, options in items]


def item(call: Claimed) -> Item:
    """A claimed call as a slot would see it."""
    return Item(call.id, call.token, call.args, call.attempts, _loaded(call.options))


def _loaded(options: str | None) -> dict[str, Any] | None:
    return None if options is None else loaded(options)


def loaded(options: str) -> dict[str, Any]:
    """A call's options from their JSON text; most have none."""
    return {} if options == "{}" else dict(json_text.loads(options))


def pack_reports(reports: Sequence[Report]) -> bytes:
    """Reports as lines of JSON, one each."""
    return b"".join([_line(report) for report in reports])


def _line(report: Report) -> bytes:
    id, outcome, seconds, log = report
    if outcome is FINISHED and not log:
        return orjson.dumps((id, seconds), option=NEWLINE)
    fields = [getattr(outcome, name) for name in outcome.__slots__]
    return orjson.dumps((id, seconds, log, type(outcome).__name__, fields), option=NEWLINE)


def first_of(message: bytes | memoryview) -> int:
    """The id of a message's first call."""
    id: int = orjson.loads(message)[2][0][0]
    return id


def unpack_reports(lines: bytes) -> list[Report]:
    """The reports of whole lines."""
    return [
        Report(line[0], FINISHED, line[1])
        if len(line) == 2
        else Report(line[0], BY_NAME[line[3]](*line[4]), line[1], tuple(line[2]))
        for line in orjson.loads(b"[" + lines.replace(b"\n", b",")[:-1] + b"]")
    ]


class Inbox:
    """Receives messages into one buffer: a new one of this size for each would cost more than the rest of the hand-over."""

    def __init__(self) -> None:
        self._buffer = memoryview(bytearray(LARGEST_MESSAGE))

    def receive(self, end: socket.socket, *, wait: bool) -> memoryview | None:
        """The next message, valid until the next call; None when there is none, or the other side is gone."""
        try:
            size = end.recv_into(self._buffer, 0, 0 if wait else socket.MSG_DONTWAIT)
        except (BlockingIOError, ConnectionResetError):
            return None
        return self._buffer[:size] if size else None
