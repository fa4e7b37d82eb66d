"""The clock: turns due times into ticks and calls. It executes nothing.

A round looks at every instant since a task was last evaluated, by the database's clock. Whatever is
due becomes a row unique on (task, due time) in the transaction that enqueues its call, so any
number of clocks, started twice, from cron or as daemons, make one call of each due time. When a
clock was away, the task's own rule says which of the missed due times run.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import Connection
from sqlalchemy import Engine

from forecourt.database import in_transaction_of
from forecourt.jobs.job import Job
from forecourt.process import hostname
from forecourt.schedule import incidents
from forecourt.schedule.condition_checks import ConditionChecks, Refusal
from forecourt.schedule.definition import definitions
from forecourt.schedule.enqueuing import Due, enqueue
from forecourt.schedule.events import Enqueued, Event, NotRun, Overdue, holding, log_event
from forecourt.schedule.misfires import MOST_AT_ONCE, apply_misfire
from forecourt.schedule.rules import ON_TIME
from forecourt.schedule.stored import merged
from forecourt.schedule.task import Task
from forecourt.schedule.timetable import Timetable
from forecourt.schedule.unserved import warn_of_unserved
from forecourt.store import pauses, stored_tasks, tasks, ticks, timetables
from forecourt.store.pauses import Pause
from forecourt.store.tasks import Version
from forecourt.store.ticks import Holder, Note

log = logging.getLogger("forecourt.clock")

MOMENT = timedelta(microseconds=1)

GRACE = ON_TIME.total_seconds()
"""Seconds that the database's clock may seem to run backwards until it counts as set back."""

HEARTBEAT = "heartbeat"
"""A task of this name says that clock and workers work; a clock without one says by its own beat
that it lives.
"""

BEAT_EVERY = 30.0
"""Seconds between two beats of a clock."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A task's due times that do not run, those that do, and until when it has been evaluated."""

    notes: list[NotRun]
    dues: list[Due]
    until: datetime


class Clock:
    """Evaluates a timetable. Rounds are idempotent; two clocks never make two calls of one due
    time.

    `application`: under which name it says what its timetable is, for `schedule diff`; None: it
    does not. `jobs`: those that tasks may run which are added meanwhile; None: it evaluates the
    timetable alone.
    """

    def __init__(
        self,
        timetable: Timetable,
        engine: Engine,
        *,
        environment: str,
        host: str | None = None,
        application: str | None = None,
        jobs: Mapping[str, Job[..., Any]] | None = None,
    ) -> None:
        self._timetable = timetable
        self._environment = environment
        self._application = application
        self._jobs = jobs
        self._stored: str | None = None
        self._next: dict[str, datetime] = {}
        self._take(timetable)
        self._engine = engine
        self._host = host or hostname()
        self._seen = datetime.min.replace(tzinfo=UTC)
        self._beat_at = 0.0
        self._conditions = ConditionChecks()
        self._warned = False

    def begin(self, at: datetime | None = None) -> None:
        """Make the tasks known to the database. Without this the first round does it."""
        with self._engine.begin() as connection:
            tx = in_transaction_of(connection)
            tasks.take_turn(tx)
            self._look_for_stored(tx)  # what was removed since is not made known again
            repeating = {self._version(task): task.repeat_seconds is not None for task in self._tasks.values()}
            versions = list(repeating)
            back = tasks.enter(tx, repeating, at)
            if ahead := tasks.rewind(tx, versions, at, GRACE):
                own = [(task.name, self._host_of(task)) for task in self._tasks.values()]
                ticks.forget_coming(tx, own, at or tasks.now(tx))
            evaluated = tasks.evaluated(tx, versions)
            if self._application is not None:
                timetables.declare(tx, self._application, definitions(self._timetable))
        self._next = self._after(evaluated)
        if back:
            what = "clocks disagree about when these tasks are due: two versions, or two zones, are at work"
            log.warning(what, extra={"tasks": back})
        if ahead:
            log.warning(
                "the database's clock ran ahead and was set back; these tasks go on from now", extra={"tasks": ahead}
            )

    def run_once(self, at: datetime | None = None) -> list[Event]:
        """One round, at `at` or at the database's now. Returns what it did."""
        with self._engine.begin() as connection:
            tx = in_transaction_of(connection)
            now = at or tasks.now(tx)
            if self not in connection.info and self._next:
                # A new session: the database may have been restored, or a standby took over.
                self._next = self._after(tasks.evaluated(tx, [self._version(task) for task in self._tasks.values()]))
            connection.info[self] = True
            self._look_for_stored(tx)
        if len(self._next) < len(self._tasks) or now + ON_TIME < self._seen:
            self.begin(at)
        self._seen = now
        due = [self._tasks[name] for name, instant in self._next.items() if instant <= now]
        answers = self._conditions.answers(due)
        self._conditions.use_up(answers)  # before the round, which may fail: the next one asks anew
        due = [task for task in due if not task.rules.conditions or task.name in answers]
        events: list[Event] = []
        for first in range(0, len(due), MOST_AT_ONCE):
            events += self._evaluate(due[first : first + MOST_AT_ONCE], now, answers)
        events += self._overdue(now)
        if time.monotonic() >= self._beat_at:  # behind what may fail: who gets nothing done is silent
            with self._engine.begin() as connection:
                tasks.beat(in_transaction_of(connection), self._host, heartbeat=HEARTBEAT in self._tasks)
            self._beat_at = time.monotonic() + BEAT_EVERY
        return events

    def _after(self, evaluated: Mapping[str, datetime]) -> dict[str, datetime]:
        """The next due times of tasks that were evaluated until then."""
        versions = {name: self._version(task).name for name, task in self._tasks.items()}
        return {name: self._tasks[name].next_due(evaluated[of]) for name, of in versions.items() if of in evaluated}

    def _look_for_stored(self, tx: Connection[Any]) -> None:
        """Take up what was added, edited or removed since the last round."""
        if self._jobs is None or (state := stored_tasks.state(tx)) == self._stored:
            return
        both, unfit = merged(self._timetable, stored_tasks.every(tx), self._jobs)
        for name, why in unfit.items():
            log.warning("a stored task does not fit the code, and is not followed: %s", why, extra={"task": name})
        self._take(both)
        self._stored = state

    def _take(self, timetable: Timetable) -> None:
        self._tasks = {task.name: task for task in timetable if task.runs_in(self._environment)}
        self._with_deadline = [task.name for task in self._tasks.values() if task.run_within is not None]
        self._next = {}

    def waits(self) -> bool:
        """Whether a condition has not answered yet: another round looks at its task again."""
        return self._conditions.waits()

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks that it evaluates: those of its environment."""
        return tuple(self._tasks.values())

    def next_due(self) -> datetime | None:
        """The earliest due time that this clock knows of; None for an empty timetable."""
        return min(self._next.values(), default=None)

    def _evaluate(self, due: list[Task], now: datetime, answers: dict[str, Refusal | None]) -> list[Event]:
        with self._engine.begin() as connection:
            tx = in_transaction_of(connection)
            halted = pauses.in_force(tx, now)
            versions = [self._version(task) for task in due]
            evaluated = tasks.lock(tx, versions)
            # What another clock holds is left to it: this one looks again in its next round.
            mine = [task for task in due if self._version(task).name in evaluated]
            there = evaluated if len(mine) == len(due) else tasks.evaluated(tx, versions)
            held = ticks.holders(tx, [(task.name, self._host_of(task)) for task in mine if not task.may_overlap])
            found = [
                self._look_at(
                    task,
                    evaluated[self._version(task).name],
                    now,
                    pause_of(task, halted),
                    held.get(task.name),
                    answers.get(task.name),
                )
                for task in mine
            ]
            events: list[Event] = [note for finding in found for note in finding.notes]
            dues = [instant for finding in found for instant in finding.dues]
            for first in range(0, len(dues), MOST_AT_ONCE):
                events += enqueue(tx, dues[first : first + MOST_AT_ONCE])
            not_run = [event for event in events if isinstance(event, NotRun)]
            noted = ticks.note(tx, [self._noted(event) for event in not_run])
            incidents.follow(tx, self._tasks, self._host, [one for one in not_run if (one.task, one.due_at) in noted])
            until = {self._version(task): finding.until for task, finding in zip(mine, found, strict=True)}
            tasks.advance(tx, until)
        for task in due:
            if self._version(task).name not in there:  # somebody removed its row: the next round makes another
                del self._next[task.name]
        for task in mine:
            version = self._version(task)
            self._next[task.name] = task.next_due(max(until[version], evaluated[version.name]))
        here = [one.task for one in events if isinstance(one, Enqueued) and not self._tasks[one.task].one_server]
        if here and not self._warned:
            self._warned = warn_of_unserved(self._engine, self._host, here)
        place = {task.name: number for number, task in enumerate(mine)}
        events.sort(key=lambda event: (place[event.task], event.due_at))
        for event in events:
            log_event(event)
        return events

    def _overdue(self, now: datetime) -> list[Event]:
        """What has not ended by its deadline, and has not been told yet."""
        if not self._with_deadline:
            return []
        with self._engine.begin() as connection:
            tx = in_transaction_of(connection)
            late = ticks.mark_overdue(tx, self._with_deadline, now, MOST_AT_ONCE)
            events = [Overdue(one.task, one.due_at, one.host, one.call_id, one.deadline_at) for one in late]
            incidents.follow(tx, self._tasks, self._host, events)
        for event in events:
            log_event(event)
        return list(events)

    def _look_at(
        self,
        task: Task,
        evaluated: datetime,
        now: datetime,
        pause: Pause | None,
        held: Holder | None,
        answer: Refusal | None,
    ) -> Finding:
        """What to do about a task's due times. Its `until` is not `now` if one of them has to
        wait.
        """
        decision = apply_misfire(task.occurrences(evaluated, now), now, task.misfire, task.next_due)
        notes = [NotRun(task.name, instant, "missed", why) for instant, why in decision.missed]
        dues: list[Due] = []
        until = now
        for number, instant in enumerate(decision.run):
            # Where each due time gets its run, they come one after the other unless they may
            # overlap.
            waits = not (pause or task.may_overlap) and (dues or (held and task.misfire.kind == "every"))
            if waits or number == MOST_AT_ONCE:
                until = instant - MOMENT
                break
            if pause:
                notes.append(NotRun(task.name, instant, "skipped", str(pause)))
            elif held:
                notes.append(NotRun(task.name, instant, "skipped", holding(held, task)))
            elif answer:
                notes.append(NotRun(task.name, instant, answer.status, answer.why))
            else:
                host = self._host_of(task)
                dues.append(Due(task, instant, host, task.delay_of(instant, host)))
        return Finding(notes, dues, until)

    def _noted(self, event: NotRun) -> Note:
        host = self._host_of(self._tasks[event.task])
        return Note(task=event.task, due_at=event.due_at, host=host, status=event.status, why=event.why)

    def _host_of(self, task: Task) -> str:
        return "" if task.one_server else self._host

    def _version(self, task: Task) -> Version:
        return version_of(task, self._host)


def version_of(task: Task, host: str) -> Version:
    """How far a task is evaluated is noted under this; on every server by each host for itself,
    with a line's end between, which is in no task's name.
    """
    return Version(task.name if task.one_server else f"{task.name}\n{host}", task.fingerprint)


def pause_of(task: Task, halted: dict[tuple[str, str], Pause]) -> Pause | None:
    """The pause that holds for a task: the schedule's, a group's or its own. `even_when_paused`
    disregards the schedule's.
    """
    names = [("group", group) for group in task.groups] + [("task", task.name)]
    if not task.ignores_pause:
        names.insert(0, ("schedule", ""))
    return next((halted[name] for name in names if name in halted), None)
