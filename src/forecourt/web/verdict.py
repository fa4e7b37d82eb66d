"""The sentence that a page begins with: whether all goes well, and if not, the one thing that matters most.

Troubles are found by rules and ranked by them; nothing is weighed, and there is no percentage.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from forecourt.durations import duration
from forecourt.settings import settings
from forecourt.store.activity import Worker
from forecourt.store.pauses import Pause
from forecourt.store.standing import CAP, Standing
from forecourt.store.tasks import Liveness
from forecourt.web import words
from forecourt.web.nights import Duty
from forecourt.web.templating import path_part

BEHIND = 60.0
"""Seconds that the oldest ready call of a queue may wait, until the queue is behind."""

SILENT = 90.0
"""Seconds since a clock's last beat, until nothing is due any more. It beats every 30."""

DEAD = 30.0
"""Seconds since a worker's last heartbeat, until it is not counted. Others give it up after 15."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is not as it should be, as the end of a sentence; where it is looked after."""

    tone: Literal["failed", "late"]
    words: str
    path: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules look at. `failed`: calls that failed for good since midnight, up to a cap."""

    now: datetime
    queues: Sequence[Standing]
    workers: Sequence[Worker]
    duties: Sequence[Duty]
    liveness: Liveness
    halted: Pause | None
    failed: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """`opening` and the worst trouble make the sentence; `others` are the rest, `under` what else there is to know."""

    opening: str
    worst: Trouble | None
    others: list[Trouble] = field(default_factory=list)
    under: str = ""

    @property
    def sentence(self) -> str:
        return f"{self.opening}{f' {self.worst.words}' if self.worst else ''}."


def verdict(facts: Facts) -> Verdict:
    """Judge."""
    found = sorted(troubles(facts), key=lambda trouble: trouble.tone != "failed")
    time = shift(facts.now)
    if not found:
        return Verdict(f"The {time} is on time", None, [], under(facts))
    worst, *others = found
    if worst.tone == "failed":
        opening = f"The {time} needs you:"
    elif any(duty.standing(facts.now) in ("late", "missed", "skipped") for duty in facts.duties):
        opening = f"The {time} is late:"
    else:
        opening = f"The {time} is on time, but"
    return Verdict(opening, worst, others, under(facts))


def shift(now: datetime) -> str:
    """Whether it is night, in the business zone: from eight in the evening until ten."""
    hour = now.astimezone(settings().zone).hour
    return "night" if hour >= 20 or hour < 10 else "day"


def troubles(facts: Facts) -> Iterator[Trouble]:
    """Everything that is not as it should be; of equally bad ones the first matters most."""
    alive = [worker for worker in facts.workers if worker.silent <= DEAD]
    if not alive:
        yield Trouble("failed", "no worker is running", "/workers")
    silent = facts.liveness.clock_ago
    if facts.duties and (silent is None or silent.total_seconds() > SILENT):
        since = f" since {duration(silent.total_seconds())}" if silent is not None else ""
        yield Trouble("failed", f"the clock is stopped{since}, so nothing comes due", "/schedule")
    yield from _of_duties(facts)
    for queue in facts.queues:
        if alive and queue.ready and not queue.workers and queue.paused_by is None:
            waiting = words.some(queue.ready, "call", cap=CAP)
            yield Trouble("failed", f"nobody serves {queue.queue}, where {waiting} wait", _of(queue))
    if facts.halted is not None:
        yield Trouble("late", f"the schedule is paused by {facts.halted.who[:60]}", "/schedule")
    for queue in facts.queues:
        if queue.paused_by is not None and queue.ready:
            yield Trouble(
                "late", f"{queue.queue} is paused while {words.some(queue.ready, 'call', cap=CAP)} wait", _of(queue)
            )
        elif queue.workers and queue.oldest > settings().queue_limit(queue.queue):
            yield Trouble("late", f"{queue.queue} is {duration(queue.oldest)} behind", _of(queue))


def _of_duties(facts: Facts) -> Iterator[Trouble]:
    for duty in facts.duties:
        name, to = duty.task.name, f"/schedule/{path_part(duty.task.name)}"
        match duty.standing(facts.now):
            case "failed":
                yield Trouble("failed", f"{name} failed", to)
            case "missed":
                yield Trouble("late", f"{name} was missed", to)
            case "late":
                yield Trouble("late", f"{name} waits for a worker", to)
            case "slow" if duty.latest is not None and duty.latest.seconds is not None and duty.usual is not None:
                took, usual = duration(duty.latest.seconds), duration(duty.usual)
                yield Trouble("late", f"{name} took {took} instead of {usual}", to)


def under(facts: Facts) -> str:
    """The figures below the sentence."""
    duties = [duty for duty in facts.duties if not duty.often]
    stands = [duty.standing(facts.now) for duty in duties]
    done = sum(stand in ("done", "slow") for stand in stands)
    bad = sum(stand in ("failed", "missed") for stand in stands)
    alive = [worker for worker in facts.workers if worker.silent <= DEAD]
    told = [
        f"{done} of {words.some(len(duties), 'duty', 'duties')} done, {bad or 'none'} failed." if duties else "",
        f"{words.some(facts.failed, 'call', cap=CAP)} failed for good since midnight."
        if facts.failed
        else "No call failed since midnight.",
        f"{words.some(len(alive), 'worker')}, {words.some(sum(worker.slots for worker in alive), 'slot')}.",
    ]
    return " ".join(part for part in told if part)


def _of(queue: Standing) -> str:
    return f"/queues/{path_part(queue.queue)}"
