"""What a night's duties are, which of them are done, and what is to be expected of the others."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from psycopg import Connection

from forecourt.schedule.clock import pause_of
from forecourt.schedule.task import Task
from forecourt.schedule.timetable import Timetable
from forecourt.settings import settings
from forecourt.store import pauses, tick_history, ticks
from forecourt.store.pauses import Pause
from forecourt.store.tick_history import Past, Tick
from forecourt.store.ticks import Holder
from forecourt.web import words

OFTEN = 12
"""Due times a night beyond which a task is a pulse rather than a duty."""

MOST_RUNS = 600
"""Runs of one task that are drawn, the latest."""

DAWN = time(10)
"""When the night is over, for the drawing: after that it shows the whole day."""

LATE = 60.0
"""Seconds that a due time may wait for its start, until that is worth saying."""

SLOW = 3.0
"""Times as long as usual, until that is worth saying."""


@dataclass(frozen=True, slots=True)
class Span:
    """The time that is shown: [first, last), of the business day `day`. Both are in UTC: between
    two times of one zone Python counts the hours on the wall, and a day may have 23 or 25.
    """

    day: date
    first: datetime
    last: datetime

    @property
    def is_night(self) -> bool:
        """Whether it ends in the morning."""
        return self.last - self.first < timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Duty:
    """A task in a span of time: its runs then, oldest first; the due times that are still to come;
    the seconds that its last runs before that took, in the middle, None while fewer than three are
    known; who holds it back or runs it. `past` has those last runs, once `beside_history` has
    fetched them; of a pulse, `runs` has only the latest until then."""

    task: Task
    runs: Sequence[Tick]
    to_come: Sequence[datetime]
    usual: float | None
    pause: Pause | None
    holder: Holder | None
    often: bool
    past: Past = Past()

    @property
    def latest(self) -> Tick | None:
        """Its last run in the span."""
        return self.runs[-1] if self.runs else None

    @property
    def expected(self) -> str:
        """What its next run will probably do, in words; empty when that cannot be known, or no
        history was fetched.
        """
        return words.expected(self.past.outputs)

    def standing(self, now: datetime) -> str:
        """One word for how it stands: paused, failed, missed, skipped, late, running, slow, done or
        to come.
        """
        run = self.latest
        if run is None:
            return "paused" if self.pause and self.to_come else "to come"
        match run.status:
            case "enqueued" if self.holder is None or self.holder.worker is None:
                starts_at = run.due_at + self.task.delay_of(run.due_at, run.host)
                return "late" if (now - starts_at).total_seconds() > LATE else "enqueued"
            case "enqueued":
                return "running"
            case "succeeded" if self.is_slow(run):
                return "slow"
            case "succeeded":
                return "done"
            case status:
                return status

    def is_slow(self, run: Tick) -> bool:
        """Whether a run took far longer than this task's runs usually do, and long enough to
        matter.
        """
        return run.seconds is not None and self.usual is not None and run.seconds > max(5.0, SLOW * self.usual)


def span(day: date, now: datetime, zone: ZoneInfo) -> Span:
    """What is shown of a business day: its night while that lasts, otherwise all of it."""
    local = now.astimezone(zone)
    is_night = local.date() == day and local.time() < DAWN
    last = datetime.combine(day, DAWN, zone) if is_night else datetime.combine(day + timedelta(days=1), time(), zone)
    return Span(day, datetime.combine(day, time(), zone).astimezone(UTC), last.astimezone(UTC))


def duties(tx: Connection[Any], timetable: Timetable, over: Span, now: datetime) -> list[Duty]:
    """The tasks that have due times in the span, in the order of their first one; pulses last, as
    on the timetable. With what it takes to judge them: `beside_history` fetches the rest, for those
    that are shown."""
    tasks = [task for task in timetable if task.runs_in(settings().environment)]
    names = [task.name for task in tasks]
    pulses = {task.name for task in tasks if _is_often(task)}
    ran = tick_history.between(
        tx, [name for name in names if name not in pulses], over.first, over.last, most=MOST_RUNS
    ) | tick_history.between(tx, list(pulses), over.first, over.last, most=1)
    usual = tick_history.usual_seconds(tx, names, before=over.first)
    halted = pauses.in_force(tx)
    open_ones = [(run.task, run.host) for found in ran.values() for run in found[-1:] if run.finished_at is None]
    holders = ticks.holders(tx, open_ones)
    found = []
    for task in tasks:
        often = task.name in pulses
        coming = task.occurrences(max(now, over.first), over.last - timedelta(microseconds=1))
        upcoming = list(islice(coming, 1 if often else OFTEN + 1))
        if not ran[task.name] and not upcoming:
            continue
        duty = Duty(
            task, ran[task.name], upcoming, usual.get(task.name),
            pause_of(task, halted), holders.get(task.name), often,
        )  # fmt: skip
        found.append(duty)
    return sorted(found, key=lambda duty: (duty.often, over.first if duty.often else _first(duty)))


def until(found: Sequence[Duty], last: datetime) -> list[Duty]:
    """The same duties as far as they are due before `last`, of those that have begun by then or
    will.
    """
    sooner = [replace(duty, to_come=[at for at in duty.to_come if at < last]) for duty in found]
    return [duty for duty in sooner if duty.runs or duty.to_come]


class Coming(NamedTuple):
    """When a task is due next, and who holds it back."""

    task: Task
    at: datetime
    pause: Pause | None


def coming(
    tx: Connection[Any], found: Sequence[Duty], timetable: Timetable, over: Span, now: datetime, most: int
) -> list[Coming]:
    """The next due times, of each task the first. Whatever is due in the span has been found
    already, so the other tasks are asked only when that is not enough: to ask hundreds takes longer
    than a page may."""
    soon = [Coming(duty.task, duty.to_come[0], duty.pause) for duty in found if duty.to_come]
    if len(soon) < most:
        halted, named = pauses.in_force(tx), {one.task.name for one in soon}
        later = max(now, over.last - timedelta(microseconds=1))
        soon += [
            Coming(task, task.next_due(later), pause_of(task, halted))
            for task in timetable
            if task.name not in named and task.runs_in(settings().environment)
        ]
    return sorted(soon, key=lambda one: (one.at, one.task.name))[:most]


def at_a_glance(found: Sequence[Duty], now: datetime, most: int) -> list[Duty]:
    """So many duties as can be looked at: those that are not well, then those that ran last or come
    next, pulses after the others. In the night's order."""
    if len(found) <= most:
        return list(found)

    def matters(duty: Duty) -> tuple[bool, bool, float]:
        times = [*(run.due_at for run in duty.runs[-1:]), *duty.to_come[:1]]
        well = duty.standing(now) in ("done", "to come")
        return well, duty.often, min(abs((at - now).total_seconds()) for at in times)

    chosen = {id(duty) for duty in sorted(found, key=matters)[:most]}
    return [duty for duty in found if id(duty) in chosen]


def beside_history(tx: Connection[Any], found: Sequence[Duty], over: Span) -> list[Duty]:
    """The same duties with their last runs before the span, and with all runs of a pulse. Those are
    hundreds of rows a pulse, so it is for what is shown."""
    past = tick_history.past(tx, [duty.task.name for duty in found], before=over.first, outputs=True)
    pulses = [duty.task.name for duty in found if duty.often]
    ran = tick_history.between(tx, pulses, over.first, over.last, most=MOST_RUNS)
    return [replace(duty, past=past[duty.task.name], runs=ran.get(duty.task.name, duty.runs)) for duty in found]


def _is_often(task: Task) -> bool:
    """By the times of day that it names: walking through them for each of some hundred tasks takes
    longer than the page may.
    """
    return task.repeat_seconds is not None or len(task.wall_times().minutes) > OFTEN


def _first(duty: Duty) -> datetime:
    return min([*(run.due_at for run in duty.runs[:1]), *duty.to_come[:1]])
