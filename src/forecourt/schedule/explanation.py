"""Why a task runs, ran or does not run at an instant: everything that the clock looks at, each with
what it says.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from psycopg import Connection

from forecourt.durations import duration
from forecourt.language import gettext as _
from forecourt.language import language, listed, lookup, marked
from forecourt.process import own
from forecourt.schedule import sentence_translation
from forecourt.schedule.clock import pause_of
from forecourt.schedule.condition_checks import ConditionChecks
from forecourt.schedule.enqueuing import queue_of
from forecourt.schedule.events import holding
from forecourt.schedule.misfires import late_until
from forecourt.schedule.occurrences import SECOND, occurrences, wall_times
from forecourt.schedule.shifts import shift_near
from forecourt.schedule.task import Task
from forecourt.store import pauses, tick_history, ticks, workers
from forecourt.store.tick_history import Tick

MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the clock looks at. `allows` is None where it neither allows nor forbids."""

    about: str
    words: str
    allows: bool | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """A due time, or an instant that is none, what becomes or became of it, and why."""

    at: datetime
    is_due: bool
    verdict: str
    findings: tuple[Finding, ...]


def upcoming(
    tx: Connection[Any], task: Task, now: datetime, *, environment: str, ask: bool, count: int
) -> list[Explanation]:
    """The next due times of a task. `ask`: whether to ask its conditions, as they would answer
    now.
    """
    found = islice(occurrences(task.wall_times(), task.zone, now), count)
    return [_of_due_time(tx, task, due_at, now, environment, ask) for due_at in found]


def at_instant(
    tx: Connection[Any], task: Task, at: datetime, now: datetime, *, environment: str, ask: bool
) -> list[Explanation]:
    """The due time in whose minute `at` lies; where it is none, why not, and the next one."""
    due_at = task.next_due(at - task.wall_times().lasts)
    explained = _of_due_time(tx, task, due_at, now, environment, ask)
    return [explained] if due_at <= at else [_not_due(tx, task, at, due_at), explained]


def _of_due_time(
    tx: Connection[Any], task: Task, due_at: datetime, now: datetime, environment: str, ask: bool
) -> Explanation:
    zone = Finding(marked("zone"), shift_near(task, due_at))
    if due_at <= now:
        recorded = tick_history.between(tx, [task.name], due_at, due_at + MOMENT, most=100)[task.name]
        words = "; ".join(map(_recorded, recorded)) or _unrecorded(task, due_at, now)
        return Explanation(due_at, True, words, (zone, *_rules(task, due_at)))
    findings = (
        zone,
        _environment(task, environment),
        _pause(tx, task, due_at),
        *_conditions(task, ask),
        *_overlap(tx, task),
        *_queue(tx, task, due_at),
        *_rules(task, due_at),
    )
    wrong = next((finding for finding in findings if finding.allows is False), None)
    return Explanation(due_at, True, _("will run") if wrong is None else _consequence(wrong), findings)


def _consequence(wrong: Finding) -> str:
    match wrong.about:
        case "overlap":
            return _("will be skipped unless the run before it ends first")
        case "condition":
            return _("will be skipped if its condition still says so then")
        case "queue":
            return _("will be enqueued and wait")
        case "environment":
            return _("does not exist here")
        case about:
            return _("will be skipped: %(about)s", about=lookup(about))


def _not_due(tx: Connection[Any], task: Task, at: datetime, next_due: datetime) -> Explanation:
    recurrence = task.rules.recurrence
    words = _(
        "%(sentence)s; the next due time is %(time)s",
        sentence=sentence_translation.of(task),
        time=_local(next_due, task),
    )
    findings = [Finding(marked("frequency"), words, False)]
    without_windows = wall_times(recurrence.cron, recurrence.repeat_seconds, (), task.rules.shift_policy)
    coming = next(occurrences(without_windows, task.zone, at - without_windows.lasts), None)
    if task.rules.windows and coming is not None and coming <= at:
        findings = [
            Finding(marked("window"), _("only %(what)s", what=listed(map(str, task.rules.windows))), False),
            *findings,
        ]
    second = at.replace(microsecond=0)
    for tick in tick_history.between(tx, [task.name], second, second + SECOND, most=10)[task.name]:
        findings.append(Finding(marked("by hand"), _recorded(tick)))
    return Explanation(at, False, _("is not due"), (Finding(marked("zone"), shift_near(task, at)), *findings))


def _environment(task: Task, environment: str) -> Finding:
    if not task.rules.environments:
        return Finding(marked("environment"), _("any; this is %(name)s", name=environment), True)
    words = _("only %(names)s; this is %(name)s", names=listed(task.rules.environments), name=environment)
    return Finding(marked("environment"), words, task.runs_in(environment))


def _pause(tx: Connection[Any], task: Task, due_at: datetime) -> Finding:
    pause = pause_of(task, pauses.in_force(tx, due_at))
    return Finding(marked("pause"), _("none") if pause is None else str(pause), pause is None)


def _conditions(task: Task, ask: bool) -> Iterator[Finding]:
    if not task.rules.conditions:
        return
    words = ", ".join(map(str, task.rules.conditions))
    if not ask:
        yield Finding(marked("condition"), _("%(condition)s: asked when it is due", condition=words))
        return
    answers = ConditionChecks().answers([task])
    if task.name not in answers:
        silence = _("%(condition)s: does not answer at once; the clock waits for 30 s", condition=words)
        yield Finding(marked("condition"), silence, False)
        return
    refusal = answers[task.name]
    answer = _("%(condition)s: now %(answer)s", condition=words, answer=_("yes") if refusal is None else refusal.why)
    yield Finding(marked("condition"), answer, refusal is None)


def _overlap(tx: Connection[Any], task: Task) -> Iterator[Finding]:
    if task.may_overlap:
        yield Finding(marked("overlap"), _("it may overlap"), True)
        return
    holder = ticks.holders(tx, [(task.name, "" if task.one_server else own().host)]).get(task.name)
    yield Finding(
        marked("overlap"), _("no run is under way") if holder is None else holding(holder, task), holder is None
    )


def _queue(tx: Connection[Any], task: Task, due_at: datetime) -> Iterator[Finding]:
    queue = queue_of(task, "" if task.one_server else own().host)
    halted = pauses.in_force(tx, due_at).get(("queue", queue))
    if not workers.serve(tx, queue):
        yield Finding(marked("queue"), _("%(queue)s: no worker serves it, so its call would wait", queue=queue), False)
    elif halted is not None:
        yield Finding(
            marked("queue"), _("%(queue)s: %(pause)s, so its call would wait", queue=queue, pause=halted), False
        )
    else:
        yield Finding(marked("queue"), _("%(queue)s: served", queue=queue), True)


def _rules(task: Task, due_at: datetime) -> Iterator[Finding]:
    match task.misfire.kind:
        case "skip":
            yield Finding(marked("late run"), _("none: what no clock meets is missed"))
        case _:
            until = late_until(due_at, task.misfire, task.next_due)
            words = _("however late") if until is None else _("until %(time)s", time=_local(until, task))
            yield Finding(marked("late run"), _("%(when)s, should no clock run when it is due", when=words))
    if task.rules.jitter is not None:
        delay = task.delay_of(due_at, "" if task.one_server else own().host)
        yield Finding(marked("jitter"), _("its call starts %(time)s later", time=duration(delay.total_seconds())))
    if task.run_within is not None:
        after = duration(task.run_within.total_seconds())
        words = _("%(time)s, %(after)s on", time=_local(due_at + task.run_within, task), after=after)
        yield Finding(marked("deadline"), words)


def _unrecorded(task: Task, due_at: datetime, now: datetime) -> str:
    until = late_until(due_at, task.misfire, task.next_due)
    if until is None or now <= until:
        return _("no clock has met it yet; one that runs before it is too late still does, unless the task is newer")
    return _("no clock has recorded it, or its row has been removed since")


def _recorded(tick: Tick) -> str:
    words = lookup(tick.status)
    if tick.host:
        words += " " + _("on %(host)s", host=tick.host)
    if tick.seconds is not None and tick.call_id:
        words += " " + _("within %(time)s", time=duration(tick.seconds))
    parts = [words, _("overdue") if tick.overdue_at else "", _("call %(id)s", id=tick.call_id) if tick.call_id else ""]
    return listed(part for part in parts if part) + (f": {tick.why}" if tick.why else "")


def _local(instant: datetime, task: Task) -> str:
    local = instant.astimezone(task.zone)
    written = f"{local:%Y-%m-%d %H:%M:%S %Z}".replace(":00 ", " ")
    return f"{local:%a} {written}" if language() == "en" else written
