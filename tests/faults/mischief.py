"""Jobs that end in every odd way, for tests: each would harm more than itself if it were taken at its word."""

import asyncio
import logging
import math
from typing import Any

from forecourt import Discard, Forecourt, Release, Timetable, at_most, job

log = logging.getLogger("mischief")


class Speechless(Exception):
    """Cannot even say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


@job(tries=2, backoff=0)
def misbehave(how: str) -> object:
    """Ends in this way."""
    match how:
        case "released for ever":
            raise Release(math.inf)
        case "released for an age":
            raise Release(1e15)
        case "released until nobody knows when":
            raise Release(math.nan)
        case "released with odd words":
            raise Release(3600, "\x00 \ud800" + "x" * 1_000_000)
        case "discarded with a long story":
            raise Discard("\x00 \ud800" + "x" * 1_000_000)
        case "cancelled from inside":
            raise asyncio.CancelledError
        case "speechless":
            raise Speechless
        case "a spelled-out NUL":
            return ["\\u0000", "\x00", "\\\x00", {"\\u0000\x00": 1}]
        case "a novel of control characters":
            for _ in range(200):
                log.info("\x01" * 80)
            raise ValueError("\x01" * 100_000)
    return how


@job(tries=0, backoff=0)
def fail_for_ever(n: int) -> None:
    raise ValueError(n)


@job(limit=at_most(1, by="what"))
def take_anything(what: Any) -> None:
    """One at a time of each thing, whatever that is."""


app = Forecourt(Timetable("UTC"), queues=("default",))
