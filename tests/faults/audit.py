"""The count after a storm: each call that was entered is over, exactly once; each crash was
counted; no second was missed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from faults import rally
from faults.load import ONCE, Entered

Ask: TypeAlias = Callable[..., list[tuple[Any, ...]]]

OVER = """
SELECT args->>'call', 'done', attempts, history FROM forecourt.done WHERE args->>'call' LIKE %s
UNION ALL
SELECT args->>'call', 'failed', attempts, history FROM forecourt.failed WHERE args->>'call' LIKE %s
"""
EFFECTS = "SELECT call, count(*) FROM effects WHERE call LIKE %s GROUP BY call"
# A run that was begun by a slot of a worker that had been given up is no attempt of its call, which
# was another worker's by then.
RUNS = """
SELECT call, count(*) FILTER (WHERE over), count(*) FILTER (WHERE listed AND NOT over)
FROM runs
WHERE call LIKE %s
GROUP BY call
"""
TICKS = """
SELECT due_at, status FROM forecourt.ticks WHERE due_at > %s AND due_at <= %s
"""
STRUCK = "SELECT call, count(*) FROM effects WHERE call LIKE 'second %%' GROUP BY call"

COUNTED = ("Raised", "TimedOut", "SlotDied", "WorkerLost")
SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Findings:
    """The names of calls that are nowhere, and of those that happened twice; and what else is
    wrong, in words.
    """

    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    broken: tuple[str, ...]


def audit(
    ask: Ask, entered: Entered, prefix: str, begun: datetime, ended: datetime, *, machines_lost: bool = False
) -> Findings:
    """Count the calls named `prefix …`, and the seconds between two instants. A run that a lost
    machine had begun within a second is not counted: nobody left can know of it."""
    over: dict[str, list[tuple[str, int, list[dict[str, Any]]]]] = {}
    for call, state, attempts, history in ask(OVER, f"{prefix}%", f"{prefix}%"):
        over.setdefault(call, []).append((state, attempts, history))
    effects: dict[str, int] = dict(ask(EFFECTS, f"{prefix}%"))
    runs = {call: (whole, cut) for call, whole, cut in ask(RUNS, f"{prefix}%")}
    lost, doubled, broken = [], [], []
    for call, job in entered.jobs.items():
        ends = over.get(call, [])
        if not ends and call in entered.doubtful and not effects.get(call):
            continue
        if len(ends) > 1 or effects.get(call, 0) > 1:
            doubled.append(call)
        whole, cut = runs.get(call, (0, 0))
        if machines_lost:
            cut = 0
        happened = effects.get(call) if job in ONCE else whole or job == rally.crash.name
        if not ends or not happened:
            lost.append(call)
        for state, attempts, history in ends:
            broken += [f"{call}: {words}" for words in _wrong(job, state, attempts, history, cut)]
    broken += [f"{call} was never entered" for call in over.keys() - entered.jobs.keys()]
    missed, twice = _seconds(ask, begun, ended)
    return Findings((*lost, *missed), (*doubled, *twice), tuple(broken[:5]))


def _wrong(job: str, state: str, attempts: int, history: list[dict[str, Any]], cut: int) -> list[str]:
    """What is wrong with a call that is over, of which so many runs were `cut` short while it was
    their worker's.
    """
    counted = [incident for incident in history if incident["outcome"] in COUNTED]
    wrong = []
    if (state == "failed") != (job == rally.crash.name):
        wrong.append(f"ended in {state}: {history[-1:]}")
    if attempts != len(counted) + (state == "done"):
        wrong.append(f"{attempts} attempts with the incidents {[incident['outcome'] for incident in history]}")
    if job in ONCE and any(incident["outcome"] == "Raised" for incident in history):
        wrong.append(f"paid a try for the database's trouble: {history}")
    if any(not incident.get("message") for incident in counted):
        wrong.append("an incident without its cause")
    if cut > len(history):
        wrong.append(f"{cut} runs were cut short, {len(history)} of them counted")
    if job == rally.crash.name and attempts != rally.POISON_TRIES:
        wrong.append(f"failed after {attempts} of {rally.POISON_TRIES} tries")
    return wrong


def _seconds(ask: Ask, begun: datetime, ended: datetime) -> tuple[list[str], list[str]]:
    """The seconds that no clock made a call of, or whose call had no effect; and those that had
    two.
    """
    first = begun.replace(microsecond=0) + SECOND
    count = int((ended - first).total_seconds())
    ticks: dict[datetime, str] = dict(ask(TICKS, begun, ended))
    struck = {call.removeprefix("second "): times for call, times in ask(STRUCK)}
    instants = [first + number * SECOND for number in range(count)]
    times = {at: struck.get(at.isoformat(), 0) for at in instants}
    return (
        [f"second {at}" for at in instants if ticks.get(at) != "succeeded" or not times[at]],
        [f"second {at}" for at in instants if times[at] > 1],
    )
