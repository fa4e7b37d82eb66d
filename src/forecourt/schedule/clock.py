"""The clock: turns due times into ticks and calls. It executes nothing.

A round looks at every instant since a task was last evaluated, by the database's clock. Whatever is due becomes a row unique on
(task, due time) in the transaction that enqueues its call, so any number of clocks, started twice, from cron or as daemons, make
one call of each due time. When a clock was away, the task's own rule says which of the missed due times run.
"""

import logging
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias, cast

from psycopg import Connection, OperationalError, Rollback
from sqlalchemy import Engine

from forecourt.database import in_transaction_of
from forecourt.jobs.dispatch import Call
from forecourt.jobs.job import Job
from forecourt.schedule.hooking import follow_up
from forecourt.schedule.misfires import sort_out
from forecourt.schedule.task import Task
from forecourt.schedule.timetable import Timetable
from forecourt.store import pauses, tasks, ticks
from forecourt.store.pauses import Pause
from forecourt.store.ticks import Holder
from forecourt.workers.execution import clean

log = logging.getLogger("forecourt.clock")

MOST_AT_ONCE = 500
"""Tasks that one transaction handles, and due times of one task."""

MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Enqueued:
    """A due time became a call."""

    task: str
    due_at: datetime
    call_id: int


@dataclass(frozen=True, slots=True)
class NotRun:
    """A due time was recorded without a call: skipped, missed or failed, and why."""

    task: str
    due_at: datetime
    status: str
    why: str


Event: TypeAlias = Enqueued | NotRun


class Clock:
    """Evaluates a timetable. Rounds are idempotent; two clocks never make two calls of one due time."""

    def __init__(self, timetable: Timetable, engine: Engine, *, environment: str, host: str | None = None) -> None:
        self._tasks = {task.name: task for task in timetable if task.runs_in(environment)}
        self._engine = engine
        self._host = host or socket.gethostname()
        self._next: dict[str, datetime] = {}

    def begin(self, at: datetime | None = None) -> None:
        """Make the tasks known to the database. Without this the first round does it."""
        with self._engine.begin() as connection:
            tx = in_transaction_of(connection)
            fingerprints = {self._key(task): task.fingerprint for task in self._tasks.values()}
            evaluated = tasks.enter(tx, fingerprints, at)
        self._next = {name: task.next_due(evaluated[self._key(task)]) for name, task in self._tasks.items()}

    def run_once(self, at: datetime | None = None) -> list[Event]:
        """One round, at `at` or at the database's now. Returns what it did."""
        if len(self._next) < len(self._tasks):
            self.begin(at)
        with self._engine.begin() as connection:
            now = at or tasks.now(in_transaction_of(connection))
        due = [self._tasks[name] for name, instant in self._next.items() if instant <= now]
        events: list[Event] = []
        for first in range(0, len(due), MOST_AT_ONCE):
            events += self._evaluate(due[first : first + MOST_AT_ONCE], now)
        return events

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks that it evaluates: those of its environment."""
        return tuple(self._tasks.values())

    def next_due(self) -> datetime | None:
        """The earliest due time that this clock knows of; None for an empty timetable."""
        return min(self._next.values(), default=None)

    def _evaluate(self, due: list[Task], now: datetime) -> list[Event]:
        events: list[Event] = []
        until: dict[str, datetime] = {}
        with self._engine.begin() as connection:
            tx = in_transaction_of(connection)
            halted = pauses.in_force(tx, now)
            evaluated = tasks.lock(tx, [self._key(task) for task in due])
            # What another clock holds is left to it: this one looks again in its next round.
            mine = [task for task in due if self._key(task) in evaluated]
            for task in mine:
                key = self._key(task)
                happened, until[key] = self._evaluate_one(tx, task, evaluated[key], now, halted)
                events += happened
            tasks.advance(tx, until)
        for task in mine:
            self._next[task.name] = task.next_due(max(until[self._key(task)], evaluated[self._key(task)]))
        for event in events:
            _log(event)
        return events

    def _evaluate_one(
        self, tx: Connection[Any], task: Task, evaluated: datetime, now: datetime, halted: dict[tuple[str, str], Pause]
    ) -> tuple[list[Event], datetime]:
        """What became of the task's due times, and until when it has been evaluated: not `now` if one has to wait."""
        dues = sort_out(task.occurrences(evaluated, now), now, task.misfire)
        events: list[Event] = [NotRun(task.name, instant, "missed", why) for instant, why in dues.missed]
        pause = pause_of(task, halted)
        until = now
        for number, instant in enumerate(dues.run):
            held = None if pause or task.may_overlap else ticks.holder(tx, task=task.name, host=self._host_of(task))
            if number == MOST_AT_ONCE or (held and task.misfire.kind == "every"):
                until = instant - MOMENT  # each due time gets its run, so this one waits for its turn
                break
            if pause:
                events.append(NotRun(task.name, instant, "skipped", str(pause)))
            elif held:
                events.append(NotRun(task.name, instant, "skipped", _holding(held)))
            elif event := _forbidden(task, instant) or self._enqueue(tx, task, instant):
                events.append(event)
        for event in events:
            if isinstance(event, NotRun):
                host = self._host_of(task)
                ticks.note(tx, task=task.name, due_at=event.due_at, host=host, status=event.status, why=event.why)
        return events, until

    def _enqueue(self, tx: Connection[Any], task: Task, instant: datetime) -> Event | None:
        """Claim a due time and enter its call: both, or neither. None if another clock has it."""
        try:
            with tx.transaction() as both:
                tick = ticks.claim(tx, task=task.name, due_at=instant, host=self._host_of(task))
                if tick is None:
                    return None
                call = self._dispatch(tx, task, instant, tick)
                if call.duplicate:
                    raise Rollback(both)
                ticks.attach(tx, tick, call.id)
                return Enqueued(task.name, instant, call.id)
            return NotRun(task.name, instant, "skipped", f"its job is unique, and call {call.id} is there already")
        except OperationalError:
            raise  # nothing that the task could help: the round is repeated
        except Exception as error:
            log.exception("dispatch failed", extra={"task": task.name})
            return NotRun(task.name, instant, "failed", f"its dispatch raised {_said(error)}")

    def _dispatch(self, tx: Connection[Any], task: Task, instant: datetime, tick: int) -> Call:
        job = cast("Job[..., Any]", task.job)
        queue = (task.options.get("queue") or job.policy.queue) if task.one_server else own_queue(self._host)
        options: dict[str, Any] = {"tick": tick, "task": task.name, "due_at": instant.isoformat()}
        options |= follow_up(task, instant, queue)
        dispatch = job.using(session=tx, queue=queue, priority=task.options.get("priority"))
        return dispatch.with_options(options).dispatch(**task.args)

    def _host_of(self, task: Task) -> str:
        return "" if task.one_server else self._host

    def _key(self, task: Task) -> str:
        """A task on every server is evaluated by each host for itself."""
        return task.name if task.one_server else f"{task.name}@{self._host}"


def own_queue(host: str) -> str:
    """The queue that only this host's workers serve: for tasks that run on every server."""
    return f"@{host}"


def pause_of(task: Task, halted: dict[tuple[str, str], Pause]) -> Pause | None:
    """The pause that holds for a task: the schedule's, a group's or its own. `even_when_paused` disregards the schedule's."""
    names = [("group", group) for group in task.groups] + [("task", task.name)]
    if not task.ignores_pause:
        names.insert(0, ("schedule", ""))
    return next((halted[name] for name in names if name in halted), None)


def _holding(held: Holder) -> str:
    where = f"runs on {held.host}, process {held.pid}" if held.host else "waits for a worker"
    return f"the run of {held.due_at:%Y-%m-%d %H:%M:%S %Z} {where}: call {held.call_id}, since {held.claimed_at:%H:%M:%S %Z}"


def _forbidden(task: Task, instant: datetime) -> NotRun | None:
    """A condition that forbids the run. One that raises fails this due time of this task alone."""
    try:
        why = task.passes()
    except (Exception, SystemExit) as error:
        log.exception("condition failed", extra={"task": task.name})
        return NotRun(task.name, instant, "failed", f"its condition raised {_said(error)}")
    return NotRun(task.name, instant, "skipped", why) if why else None


def _said(error: BaseException) -> str:
    return clean(f"{type(error).__name__}: {error}")


def _log(event: Event) -> None:
    match event:
        case Enqueued(task, due_at, call_id):
            log.info("task enqueued", extra={"task": task, "due_at": due_at.isoformat(), "call": call_id})
        case NotRun(task, due_at, status, why):
            level = logging.ERROR if status == "failed" else logging.WARNING
            log.log(level, "task %s", status, extra={"task": task, "due_at": due_at.isoformat(), "why": why})
