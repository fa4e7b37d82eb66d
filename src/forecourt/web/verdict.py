"""The sentence that a page begins with: whether all goes well, and if not, the one thing that
matters most.

Troubles are found by rules and ranked by them; nothing is weighed, and there is no percentage.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from forecourt.doctor.work import DEAD, SILENT
from forecourt.durations import duration
from forecourt.language import gettext as _
from forecourt.language import listed, some
from forecourt.settings import settings
from forecourt.store.activity import Worker
from forecourt.store.pauses import Pause
from forecourt.store.standing import CAP, Standing
from forecourt.store.tasks import Liveness
from forecourt.web.nights import Duty
from forecourt.web.templating import path_part


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
    """`opening` and the worst trouble make the sentence; `others` are the rest, `under` what else
    there is to know.
    """

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
    night = is_night(facts.now)
    if not found:
        opening = _("The night is on time") if night else _("The day is on time")
        return Verdict(opening, None, [], under(facts))
    worst, *others = found
    if worst.tone == "failed":
        opening = _("The night needs you:") if night else _("The day needs you:")
    elif any(duty.standing(facts.now) in ("late", "missed", "skipped") for duty in facts.duties):
        opening = _("The night is late:") if night else _("The day is late:")
    else:
        opening = _("The night is on time, but") if night else _("The day is on time, but")
    return Verdict(opening, worst, others, under(facts))


def is_night(now: datetime) -> bool:
    """Whether it is night, in the business zone: from eight in the evening until ten."""
    hour = now.astimezone(settings().zone).hour
    return hour >= 20 or hour < 10


def troubles(facts: Facts) -> Iterator[Trouble]:
    """Everything that is not as it should be; of equally bad ones the first matters most."""
    alive = [worker for worker in facts.workers if worker.silent <= DEAD]
    if not alive:
        yield Trouble("failed", _("no worker is running"), "/workers")
    silent = facts.liveness.clock_ago
    if facts.duties and (silent is None or silent.total_seconds() > SILENT):
        if silent is None:
            words = _("the clock is stopped, so nothing comes due")
        else:
            since = duration(silent.total_seconds())
            words = _("the clock is stopped since %(time)s, so nothing comes due", time=since)
        yield Trouble("failed", words, "/schedule")
    yield from _of_duties(facts)
    for queue in facts.queues:
        if alive and queue.ready and not queue.workers and queue.paused_by is None:
            waiting = some(queue.ready, "call", "calls", CAP)
            words = _("nobody serves %(queue)s, where %(calls)s wait", queue=queue.queue, calls=waiting)
            yield Trouble("failed", words, _of(queue))
    if facts.halted is not None:
        yield Trouble("late", _("the schedule is paused by %(who)s", who=facts.halted.who[:60]), "/schedule")
    for queue in facts.queues:
        if queue.paused_by is not None and queue.ready:
            waiting = some(queue.ready, "call", "calls", CAP)
            words = _("%(queue)s is paused while %(calls)s wait", queue=queue.queue, calls=waiting)
            yield Trouble("late", words, _of(queue))
        elif queue.workers and queue.oldest > settings().queue_limit(queue.queue):
            yield Trouble(
                "late", _("%(queue)s is %(time)s behind", queue=queue.queue, time=duration(queue.oldest)), _of(queue)
            )


def _of_duties(facts: Facts) -> Iterator[Trouble]:
    for duty in facts.duties:
        name, to = duty.task.name, f"/schedule/{path_part(duty.task.name)}"
        match duty.standing(facts.now):
            case "failed":
                yield Trouble("failed", _("%(task)s failed", task=name), to)
            case "missed":
                yield Trouble("late", _("%(task)s was missed", task=name), to)
            case "late":
                yield Trouble("late", _("%(task)s waits for a worker", task=name), to)
            case "slow" if duty.latest is not None and duty.latest.seconds is not None and duty.usual is not None:
                took, usual = duration(duty.latest.seconds), duration(duty.usual)
                yield Trouble(
                    "late", _("%(task)s took %(time)s instead of %(usual)s", task=name, time=took, usual=usual), to
                )


def under(facts: Facts) -> str:
    """The figures below the sentence."""
    duties = [duty for duty in facts.duties if not duty.often]
    stands = [duty.standing(facts.now) for duty in duties]
    done = sum(stand in ("done", "slow") for stand in stands)
    bad = sum(stand in ("failed", "missed") for stand in stands)
    alive = [worker for worker in facts.workers if worker.silent <= DEAD]
    slots = sum(worker.slots for worker in alive)
    words = [
        _(
            "%(done)s of %(duties)s done, %(bad)s failed.",
            done=done,
            duties=some(len(duties), "duty", "duties"),
            bad=bad or _("none"),
        )
        if duties
        else "",
        _("%(calls)s failed for good since midnight.", calls=some(facts.failed, "call", "calls", CAP))
        if facts.failed
        else _("No call failed since midnight."),
        f"{listed([some(len(alive), 'worker', 'workers'), some(slots, 'slot', 'slots')])}.",
    ]
    return " ".join(part for part in words if part)


def _of(queue: Standing) -> str:
    return f"/queues/{path_part(queue.queue)}"
