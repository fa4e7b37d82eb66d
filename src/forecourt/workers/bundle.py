"""What travels to a slot and back: calls of one job that run together, and a report on each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from forecourt.jobs.outcome import BY_NAME, Outcome
from forecourt.store.ready import Claimed

LARGEST = 64 * 1024
"""Bytes of arguments in one message; a call with more leaves them in its row, where the slot reads them. The kernel's default
limit for a message on a Unix socket is 208 KiB, and quoting may double them."""


@dataclass(frozen=True, slots=True)
class Item:
    """One call as the slot sees it. `args` is JSON text, or None when it is too long to travel."""

    id: int
    token: int
    args: str | None
    attempts: int
    options: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one call, after so many seconds, and the tail of what it logged."""

    id: int
    token: int
    outcome: Outcome
    seconds: float
    log: tuple[str, ...] = ()


def pack(job: str, calls: Sequence[Claimed]) -> bytes:
    """A bundle as one message."""
    return orjson.dumps(
        [
            job,
            [
                [call.id, call.token, call.args if len(call.args) <= LARGEST else None, call.attempts, call.options]
                for call in calls
            ],
        ]
    )


def unpack(message: bytes) -> tuple[str, list[Item]]:
    """The job's name and its calls."""
    job, items = orjson.loads(message)
    return job, [Item(id, token, args, attempts, orjson.loads(options)) for id, token, args, attempts, options in items]


def pack_reports(reports: Sequence[Report]) -> bytes:
    """Reports as one message."""
    return orjson.dumps(
        [
            [
                report.id,
                report.token,
                type(report.outcome).__name__,
                {name: getattr(report.outcome, name) for name in report.outcome.__slots__},
                report.seconds,
                report.log,
            ]
            for report in reports
        ]
    )


def unpack_reports(message: bytes) -> list[Report]:
    """The reports of one message."""
    return [
        Report(id, token, BY_NAME[kind](**fields), seconds, tuple(log))
        for id, token, kind, fields, seconds, log in orjson.loads(message)
    ]
