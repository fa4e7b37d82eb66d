"""What an outcome leads to. Decided here, once, from the outcome, the call and the job's policy."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

from forecourt.jobs.outcome import (
    Cancelled,
    ClaimLost,
    Discarded,
    Exhausted,
    Expired,
    Finished,
    Interrupted,
    Outcome,
    Raised,
    Released,
    SlotDied,
    TimedOut,
    Unknown,
)
from forecourt.jobs.policy import Defaults, Policy
from forecourt.slots.history import here, incident, success_entry
from forecourt.store.ready import NO_PAST, Claimed
from forecourt.store.running import NO_OPTIONS, Ended, Failed, Postponed

PARKED = 30.0
"""Seconds until a call that this worker does not know is tried again, by this worker or by one with
newer code.
"""

LONGEST_UNKNOWN = 86_400.0
"""Seconds after which a call that nobody knows fails: a deploy is over by then, so its job was
renamed or removed. While it waited, its task was skipped each time."""

UNCOUNTED = 20
"""Interruptions in a row that cost no try. One that always comes with the same call is the call's
own doing, and counts from then on."""


@dataclass(frozen=True, slots=True)
class Settled:
    """Nothing is left to do: the slot committed the end itself, or the call is no longer ours
    (`late`).
    """

    id: int
    late: bool


Transition: TypeAlias = Ended | Postponed | Failed | Settled


def decide(
    outcome: Outcome,
    call: Claimed,
    seconds: float,
    policy: Policy,
    defaults: Defaults,
    log: tuple[str, ...] = (),
    options: dict[str, Any] = NO_OPTIONS,
    pid: int | None = None,
) -> Transition:
    """The transition that an attempt of `seconds` with this outcome leads to. `log` is the tail of
    what it logged, `options` what the call's row notes of what counts on it, `pid` the process in
    which it ran, where that is not this one."""
    final = False
    past = call.past or NO_PAST
    match outcome:
        case Finished(committed=True):
            return Settled(call.id, late=False)
        case ClaimLost():
            return Settled(call.id, late=True)
        case Finished(result=result):
            entry = success_entry(call.attempts, seconds, log, pid)
            return Ended(call.id, call.token, seconds, "finished", result, entry, options)
        case Discarded(why=why):
            reason = orjson.dumps({"why": why}).decode()
            entry = success_entry(call.attempts, seconds, log, pid)
            return Ended(call.id, call.token, seconds, "discarded", reason, entry, options)
        case Cancelled():
            return Ended(call.id, call.token, seconds, "cancelled", options=options)
        case Expired(seconds=allowed):
            before = f"; {call.attempts} attempts before, see its history" if call.attempts else ""
            message = f"not begun within the {allowed:g} s for which it may be retried{before}"
            entry = incident(type(outcome).__name__, call.attempts, 0.0, "Expired", message)
            return Failed(call.id, call.token, 0.0, "Expired", message, entry, counted=False, options=options)
        case Exhausted(message=message):
            return Failed(call.id, call.token, 0.0, "WorkerLost", message, "[]", counted=False, options=options)
        case Released(delay=delay):
            return Postponed(call.id, call.token, delay, False, "[]")
        case Unknown() if past.unknown_for is not None and past.unknown_for < LONGEST_UNKNOWN:
            return Postponed(call.id, call.token, PARKED, False, "[]")  # its history says since when
        case Unknown(why=why) if past.unknown_for is None:
            entry = incident(type(outcome).__name__, call.attempts, 0.0, "UnknownJob", why)
            return Postponed(call.id, call.token, PARKED, False, entry)
        case Unknown(why=why):
            message = (
                f"{why}, for {LONGEST_UNKNOWN / 3600:g} hours: deploy it under this name again, and retry the call"
            )
            entry = incident(type(outcome).__name__, call.attempts, 0.0, "UnknownJob", message)
            return Failed(call.id, call.token, 0.0, "UnknownJob", message, entry, counted=False, options=options)
        case Interrupted(why=why, delay=delay) if past.interruptions < UNCOUNTED:
            entry = incident(type(outcome).__name__, call.attempts, seconds, "Interrupted", why, where=here(pid))
            return Postponed(call.id, call.token, delay, False, entry)
        case Interrupted(why=why):
            error, message, trace = "Interrupted", f"{UNCOUNTED} times in a row: {why}", ""
        case Raised(error=error, message=message, traceback=trace, final=final):
            final = final or (policy.max_errors is not None and past.errors + 1 >= policy.max_errors)
        case TimedOut() | SlotDied():
            error, message, trace = type(outcome).__name__, str(outcome), ""
    attempt = call.attempts + 1
    entry = incident(type(outcome).__name__, call.attempts, seconds, error, message, trace, log, here(pid))
    delay = defaults.backoff_of(policy).after(attempt)
    if final or _exhausted(call, seconds + delay, attempt, policy, defaults):
        return Failed(call.id, call.token, seconds, error, message, entry, options=options)
    return Postponed(call.id, call.token, delay, True, entry)


def over_before(call: Claimed, policy: Policy, defaults: Defaults) -> Outcome | None:
    """What became of a call that must not begin any more; None for one that may."""
    past = call.past or NO_PAST
    if past.unwanted:
        return Cancelled()
    if policy.retry_until is not None:
        return Expired(policy.retry_until) if call.age > policy.retry_until else None
    if past.rescued is not None and 0 < defaults.tries_of(policy) <= call.attempts:
        return Exhausted(past.rescued)
    return None


def _exhausted(call: Claimed, until_next: float, attempt: int, policy: Policy, defaults: Defaults) -> bool:
    """Whether there is no next attempt; it would begin `until_next` seconds after this one
    began.
    """
    if policy.retry_until is not None:
        return call.age + until_next >= policy.retry_until
    tries = defaults.tries_of(policy)
    return tries > 0 and attempt >= tries
