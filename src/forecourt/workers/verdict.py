"""What an outcome leads to. Decided here, once, from the outcome, the call and the job's policy."""

import signal
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

import orjson

from forecourt.jobs.outcome import (
    ClaimLost,
    Discarded,
    Finished,
    Interrupted,
    Outcome,
    Raised,
    Released,
    SlotDied,
    TimedOut,
    Unknown,
    WorkerLost,
)
from forecourt.jobs.policy import Defaults, Policy
from forecourt.store.running import Ended, Lost, Postponed

PARKED = 30.0
"""Seconds until a call that this worker does not know is tried again, by this worker or by one with newer code."""

UNCOUNTED = 20
"""Interruptions that cost no try. One that always comes with the same call is the call's own doing, and counts from then on."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What the verdict needs to know of a call. `attempts` ended before this one; `incidents` are in its history."""

    id: int
    token: int
    job: str
    queue: str
    attempts: int
    incidents: int


@dataclass(frozen=True, slots=True)
class Settled:
    """Nothing is left to do: the slot committed the end itself, or the call is no longer ours (`late`)."""

    id: int
    late: bool


Verdict: TypeAlias = Ended | Postponed | Lost | Settled


def decide(outcome: Outcome, call: Attempt, seconds: float, policy: Policy, defaults: Defaults) -> Verdict:
    """The transition that an attempt of `seconds` with this outcome leads to."""
    match outcome:
        case Finished(committed=True):
            return Settled(call.id, late=False)
        case ClaimLost():
            return Settled(call.id, late=True)
        case Finished(result=result):
            return Ended(call.id, call.token, seconds, "finished", result)
        case Discarded(why=why):
            return Ended(call.id, call.token, seconds, "discarded", orjson.dumps({"why": why}).decode())
        case Released(delay=delay):
            return Postponed(call.id, call.token, delay, False, "[]")
        case Unknown(why=why):
            # Without a time, so that the history keeps one such entry however often the call comes by.
            return Postponed(call.id, call.token, PARKED, False, _entry(outcome="Unknown", message=why))
        case Interrupted(why=why, delay=delay) if call.incidents < UNCOUNTED:
            return Postponed(call.id, call.token, delay, False, _incident(outcome, call, seconds, "Interrupted", why))
        case Interrupted(why=why):
            error, message, trace = "Interrupted", f"{UNCOUNTED} times in a row: {why}", ""
        case Raised(error=error, message=message, traceback=trace, final=final):
            if final:
                incident = _incident(outcome, call, seconds, error, message, trace)
                return Lost(call.id, call.token, error, message, incident)
        case TimedOut(timeout=timeout):
            error, message, trace = "TimedOut", f"killed after its timeout of {timeout:g} s", ""
        case SlotDied(signal=number, status=status):
            error, message, trace = "SlotDied", _death(number, status), ""
        case WorkerLost(host=host, pid=pid):
            error, message, trace = "WorkerLost", f"the worker {pid} on {host} ended or stopped beating", ""
    attempt = call.attempts + 1
    tries = defaults.tries_of(policy)
    incident = _incident(outcome, call, seconds, error, message, trace)
    if tries and attempt >= tries:
        return Lost(call.id, call.token, error, message, incident)
    # A lost machine says nothing against the job, so its calls go on at once elsewhere.
    delay = 0.0 if isinstance(outcome, WorkerLost) else defaults.backoff_of(policy).after(attempt)
    return Postponed(call.id, call.token, delay, True, incident)


def _death(number: int | None, status: int | None) -> str:
    if number is None:
        return f"its process exited with status {status}"
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = "unknown"
    return f"its process was killed by signal {number} ({name})"


def _incident(outcome: Outcome, call: Attempt, seconds: float, error: str, message: str, trace: str = "") -> str:
    return _entry(
        at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        attempt=call.attempts + 1,
        outcome=type(outcome).__name__,
        error=error,
        message=message,
        seconds=round(seconds, 4),
        traceback=trace,
    )


def _entry(**facts: Any) -> str:
    return orjson.dumps([facts]).decode()
