"""Entries of a call's history: one for each attempt of which there is something to tell, as a list
in JSON text, which its row appends.
"""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from forecourt.process import hostname

NOWHERE: Mapping[str, Any] = {}


def success_entry(attempts: int, seconds: float, log: tuple[str, ...], pid: int | None = None) -> str | None:
    """A successful attempt's: there is one only when it logged something. `attempts` were before
    this one.
    """
    return _entry("Finished", attempts, seconds, **here(pid), log=log) if log else None


def incident(
    kind: str,
    attempts: int,
    seconds: float,
    error: str,
    message: str,
    trace: str = "",
    log: tuple[str, ...] = (),
    where: Mapping[str, Any] = NOWHERE,
) -> str:
    """Any other's. `where`: the host and the process, if it ran anywhere."""
    more = {**where, "log": log} if log else where
    return _entry(kind, attempts, seconds, error=error, message=message, traceback=trace, **more)


def lost_with_its_worker(attempts: int, host: str, pid: int) -> str:
    """That of a call whose worker is gone."""
    message = f"the worker {pid} on {host} ended or stopped beating"
    return incident("WorkerLost", attempts, 0.0, "WorkerLost", message, where={"host": host})


def here(pid: int | None) -> dict[str, Any]:
    """This host, and the process in which an attempt ran; None for this one."""
    return {"host": hostname(), "pid": os.getpid() if pid is None else pid}


def _entry(outcome: str, attempts: int, seconds: float, **more: Any) -> str:
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    entry = {"at": at, "attempt": attempts + 1, "outcome": outcome, "seconds": round(seconds, 4), **more}
    return orjson.dumps([entry]).decode()
