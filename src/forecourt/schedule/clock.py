"""The clock: turns due times into ticks and calls. It executes nothing.

A round looks at every instant since a task was last evaluated, by the database's clock. Whatever is due becomes a row unique on
(task, due time) in the transaction that enqueues its call, so any number of clocks, started twice, from cron or as daemons, make
one call of each due time. When a clock was away, the task's own rule says which of the missed due times run.
"""

import logging
import socket
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias, cast

from psycopg import Connection
from sqlalchemy import Engine

from forecourt.database import in_transaction_of
from forecourt.jobs.job import Job
from forecourt.schedule.hooking import follow_up
from forecourt.schedule.misfires import sort_out
from forecourt.schedule.task import Task
from forecourt.schedule.timetable import Timetable
from forecourt.store import pauses, tasks, ticks
from forecourt.store.pauses import Pause

log = logging.getLogger("forecourt.clock")

MOST_AT_ONCE = 500
"""Tasks that one transaction handles."""


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
        for event in events:
            _log(event)
        return events

    def next_due(self) -> datetime | None:
        """The earliest due time that this clock knows of; None for an empty timetable."""
        return min(self._next.values(), default=None)

    def _evaluate(self, due: list[Task], now: datetime) -> list[Event]:
        events: list[Event] = []
        with self._engine.begin() as connection:
            tx = in_transaction_of(connection)
            halted = pauses.in_force(tx, now)
            evaluated = tasks.lock(tx, [self._key(task) for task in due])
            # What another clock holds is left to it: this one looks again in its next round.
            mine = [task for task in due if self._key(task) in evaluated]
            for task in mine:
                events += self._evaluate_one(tx, task, evaluated[self._key(task)], now, halted)
            tasks.advance(tx, [self._key(task) for task in mine], now)
        for task in mine:
            self._next[task.name] = task.next_due(max(now, evaluated[self._key(task)]))
        return events

    def _evaluate_one(
        self, tx: Connection[Any], task: Task, evaluated: datetime, now: datetime, halted: dict[tuple[str, str], Pause]
    ) -> list[Event]:
        dues = sort_out(task.occurrences(evaluated, now), now, task.misfire)
        events: list[Event] = [NotRun(task.name, instant, "missed", why) for instant, why in dues.missed]
        for instant in dues.run:
            refusal = _refusal(task, halted) or self._overlap(tx, task, instant)
            events.append(refusal_at(task, instant, refusal) if refusal else self._enqueue(tx, task, instant))
        host = self._host_of(task)
        for event in events:
            if isinstance(event, NotRun):
                ticks.note(tx, task=task.name, due_at=event.due_at, host=host, status=event.status, why=event.why)
        return [event for event in events if not (isinstance(event, Enqueued) and event.call_id == 0)]

    def _overlap(self, tx: Connection[Any], task: Task, instant: datetime) -> "Refusal | None":
        if task.may_overlap:
            return None
        held = ticks.holder(tx, task=task.name, host=self._host_of(task))
        if held is None or held.due_at >= instant:
            return None
        where = f"runs on {held.host}, process {held.pid}" if held.host else "waits for a worker"
        return Refusal(
            "skipped",
            f"the run of {held.due_at:%Y-%m-%d %H:%M:%S %Z} {where}: call {held.call_id}, since {held.claimed_at:%H:%M:%S %Z}",
        )

    def _enqueue(self, tx: Connection[Any], task: Task, instant: datetime) -> Enqueued:
        tick = ticks.claim(tx, task=task.name, due_at=instant, host=self._host_of(task))
        if tick is None:
            return Enqueued(task.name, instant, 0)  # another clock has it
        options: dict[str, Any] = {"tick": tick, "task": task.name, "due_at": instant.isoformat()}
        options |= follow_up(task, instant)
        queue = task.options.get("queue") if task.one_server else own_queue(self._host)
        job = cast("Job[..., Any]", task.job)
        dispatch = job.using(session=tx, queue=queue, priority=task.options.get("priority"))
        call = dispatch.with_options(options).dispatch(**task.args)
        ticks.attach(tx, tick, call.id)
        return Enqueued(task.name, instant, call.id)

    def _host_of(self, task: Task) -> str:
        return "" if task.one_server else self._host

    def _key(self, task: Task) -> str:
        """A task on every server is evaluated by each host for itself."""
        return task.name if task.one_server else f"{task.name}@{self._host}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a due time does not run, and as what it is recorded."""

    status: str
    why: str


def own_queue(host: str) -> str:
    """The queue that only this host's workers serve: for tasks that run on every server."""
    return f"@{host}"


def refusal_at(task: Task, instant: datetime, refusal: Refusal) -> NotRun:
    """The refusal as what happened to one due time."""
    return NotRun(task.name, instant, refusal.status, refusal.why)


def _refusal(task: Task, halted: dict[tuple[str, str], Pause]) -> Refusal | None:
    """A pause or a condition that forbids the run. A condition that raises fails this due time of this task alone."""
    if not task.ignores_pause:
        names = [("schedule", ""), *(("group", group) for group in task.groups), ("task", task.name)]
        for name in names:
            if name in halted:
                return Refusal("skipped", str(halted[name]))
    try:
        why = task.passes()
    except Exception as error:  # noqa: BLE001 - the condition is the application's
        return Refusal("failed", f"its condition raised {type(error).__name__}: {error}")
    return Refusal("skipped", why) if why else None


def _log(event: Event) -> None:
    match event:
        case Enqueued(task, due_at, call_id):
            log.info("task enqueued", extra={"task": task, "due_at": due_at.isoformat(), "call": call_id})
        case NotRun(task, due_at, status, why):
            level = logging.ERROR if status == "failed" else logging.WARNING
            log.log(level, "task %s", status, extra={"task": task, "due_at": due_at.isoformat(), "why": why})
