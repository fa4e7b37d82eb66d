"""Jobs that end in every odd way, for tests: each would once have harmed more than itself."""

import asyncio
import logging
import math
import time

from forecourt import Discard, Forecourt, Release, Timetable, job

log = logging.getLogger("mischief")


class Speechless(Exception):
    """Cannot even say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


@job(tries=2, backoff=0)
def misbehave(how: str) -> object:
    """Ends in this way."""
    match how:
        case "release for ever":
            raise Release(math.inf)
        case "release for an age":
            raise Release(1e15)
        case "release at no time":
            raise Release(math.nan)
        case "release with odd words":
            raise Release(3600, "\x00 \ud800" + "x" * 1_000_000)
        case "discard with a long story":
            raise Discard("x" * 1_000_000)
        case "be cancelled":
            raise asyncio.CancelledError
        case "be speechless":
            raise Speechless
        case "return a spelled-out NUL":
            return "\\u0000 and \x00"
        case "log a novel":
            for _ in range(200):
                log.info("\x01" * 80 + "\U0001f697" * 20)
            raise ValueError("\x01" * 100_000)
        case "return":
            return "well"
    raise AssertionError(how)


@job(tries=0, backoff=0)
def fail_again_and_again(n: int) -> None:
    raise ValueError(n)


@job(timeout=1e300)
def take_for_ever(seconds: float) -> None:
    time.sleep(seconds)


app = Forecourt(Timetable("UTC"), queues=("default",))
