"""Jobs that end in every odd way, or do not end, for tests: each would harm more than itself if it
were taken at its word.
"""

import asyncio
import logging
import math
import os
import re
import time
from pathlib import Path
from typing import Any

from forecourt import Discard, Forecourt, Release, Session, Timetable, at_most, job
from workshop import LEAVE

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


@job
def compute_in_c(folder: str) -> None:
    """In a C call that would take years, and returns to Python for no signal."""
    (Path(folder) / "computing").touch()
    re.match(r"(a|aa)+$", "a" * 80 + "b")


@job(batch=50)
def wait_together(n: list[int], folder: list[str], *, session: Session) -> None:
    """Writes, says so in a file, and waits until another file allows it to go on."""
    session.execute(LEAVE, [{"call": f"waited {number}", "pid": os.getpid()} for number in n])
    (Path(folder[0]) / "together").touch()
    while not (Path(folder[0]) / "go").exists():
        time.sleep(0.01)


app = Forecourt(Timetable("UTC"), queues=("default",))
