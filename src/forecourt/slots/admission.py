"""Admission: of the calls that were just claimed, which may run now under their jobs' limits. The
others wait, at no cost.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import Connection

from forecourt.jobs.definition import Definition
from forecourt.store import json_text, limits, ready
from forecourt.store.limits import HeldOff
from forecourt.store.ready import Claimed

PATIENCE = 5.0
"""Seconds after which a call that waits for a place looks by itself. Usually it is told at once,
when another call ends.
"""


def limited(jobs: Mapping[str, Definition[..., Any]], claimed: Sequence[Claimed]) -> list[Claimed]:
    """The calls of jobs that have a limit or a rate."""
    limiting = {name for name in {call.job for call in claimed} if name in jobs and jobs[name].is_limited}
    return [call for call in claimed if call.job in limiting] if limiting else []


def refuse(tx: Connection[Any], jobs: Mapping[str, Definition[..., Any]], in_question: Sequence[Claimed]) -> set[int]:
    """The ids of those calls, of `limited`, that may not run yet. Every limit of a call is checked
    before any is charged, in one transaction: the claiming one, or the next, before any of them
    begins. What was claimed when the slot or its connection dies in between goes back.
    """
    long = ready.whole(tx, [call.id for call in in_question if not call.args])
    keys = {call.id: _keys(jobs[call.job], call.args or long[call.id][0]) for call in in_question}
    limit_keys = sorted({key for key, _ in keys.values() if key})
    rate_keys = sorted({key for _, key in keys.values() if key})
    limits.lock(tx, sorted([*limit_keys, *rate_keys]))
    busy = limits.running(tx, limit_keys)
    spent = limits.used(tx, rate_keys)
    holds: list[tuple[str, int, int]] = []
    charges: dict[str, tuple[int, float]] = {}
    stopped: list[HeldOff] = []
    waiting: Counter[str] = Counter()
    for call in in_question:
        policy = jobs[call.job].policy
        limit_key, rate_key = keys[call.id]
        used, ends_in = spent.get(rate_key or "", (0, 0.0))
        if policy.rate is not None and ends_in > 2 * policy.rate.window:
            used, ends_in = 0, 0.0  # as `charge` has it: the clock was set back, or the window was longer
        if policy.rate is not None and used >= policy.rate.most:
            # Spread over the windows to come, so that they do not all knock at the same time.
            turn = waiting[rate_key or ""] // policy.rate.most
            stopped.append(HeldOff(call.id, call.token, ends_in + turn * policy.rate.window, None))
            waiting[rate_key or ""] += 1
        elif policy.limit is not None and busy.get(limit_key or "", 0) >= policy.limit.most:
            turn = waiting[limit_key or ""] // policy.limit.most
            stopped.append(HeldOff(call.id, call.token, PATIENCE * (1 + turn), limit_key))
            waiting[limit_key or ""] += 1
        else:
            if limit_key:
                busy[limit_key] = busy.get(limit_key, 0) + 1
                holds.append((limit_key, call.id, call.token))
            if rate_key and policy.rate is not None:
                spent[rate_key] = (used + 1, ends_in or policy.rate.window)
                charges[rate_key] = (charges.get(rate_key, (0, 0.0))[0] + 1, policy.rate.window)
                holds.append((rate_key, call.id, call.token))
    if charges:
        limits.charge(tx, charges)
    if holds:
        limits.hold(tx, holds)
    if stopped:
        limits.hold_off(tx, stopped)
    return {call.id for call in stopped}


def _keys(job: Definition[..., Any], text: str) -> tuple[str | None, str | None]:
    try:
        args = job.arguments.defaults | json_text.loads(text)
    except RecursionError:
        return (None, None)  # nested too deep to be read: let it run, so that the slot refuses it by itself
    limit, rate = job.policy.limit, job.policy.rate
    return (limit.key(job.name, args) if limit else None, rate.key(job.name, args) if rate else None)
