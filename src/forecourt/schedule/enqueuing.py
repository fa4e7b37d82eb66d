"""Turns due times into ticks and calls: of each both, or neither.

What is plain goes into the database together, in one statement however much of it there is. What
only its own dispatch can decide (a job that is unique or prepares its arguments) and what failed
together goes one by one, so that a mistake stays alone.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

import orjson
from psycopg import Connection, OperationalError, Rollback

from forecourt.jobs.dispatch import Dispatch, interceptors
from forecourt.jobs.job import Job
from forecourt.process import own_queue
from forecourt.schedule.events import Enqueued, Event, NotRun
from forecourt.schedule.hook_runner import follow_up
from forecourt.schedule.task import Task
from forecourt.store import calls, ticks
from forecourt.store.storable import storable
from forecourt.store.ticks import Entry

log = logging.getLogger("forecourt.clock")


@dataclass(frozen=True, slots=True)
class Due:
    """A due time of a task, on one host or, with an empty name, on whichever comes first; its call
    starts `delay` later.
    """

    task: Task
    at: datetime
    host: str
    delay: timedelta = timedelta()

    @property
    def job(self) -> Job[..., Any]:
        return cast("Job[..., Any]", self.task.job)

    @property
    def queue(self) -> str:
        """The queue of its call."""
        return queue_of(self.task, self.host)

    @property
    def deadline(self) -> datetime | None:
        """When its run must have ended, however late it started."""
        within = self.task.run_within
        return None if within is None else self.at + within

    @property
    def is_plain(self) -> bool:
        """Whether its call is a row that can be written without asking anybody."""
        return self.job.policy.unique is None and self.job.prepare is None and not self.delay and not interceptors

    def dispatch(self, tx: Connection[Any]) -> Dispatch[...]:
        """How its call enters."""
        priority = self.task.options.get("priority")
        # One that comes late anyway starts at once: its instant has passed.
        start = self.at + self.delay if self.delay else None
        return self.job.using(session=tx, at=start, queue=self.queue, priority=priority)

    def notes(self) -> dict[str, Any]:
        """What its call's options say of it, but for its tick."""
        due_at = {"task": self.task.name, "due_at": self.at.isoformat()}
        return due_at | follow_up(self.task, self.at, self.queue)


def queue_of(task: Task, host: str) -> str:
    """The queue of a task's calls: the host's own, where it is due on every server."""
    if host:
        return own_queue(host)
    return task.options.get("queue") or cast("Job[..., Any]", task.job).policy.queue


def enqueue(tx: Connection[Any], dues: Sequence[Due]) -> list[Event]:
    """Claim due times and enter their calls. What another clock has is left out; one whose dispatch
    raises fails alone.

    Raises OperationalError when the database could not go on: nothing that a task could help, so
    the round is repeated.
    """
    together = [due for due in dues if due.is_plain]
    alone = [due for due in dues if not due.is_plain]
    return [*_enqueue_together(tx, together), *(event for due in alone for event in _enqueue_alone(tx, due))]


def _enqueue_together(tx: Connection[Any], dues: Sequence[Due]) -> list[Event]:
    if not dues:
        return []
    try:
        with tx.transaction():
            entered = ticks.enqueue(tx, [_entry(tx, due) for due in dues])
            calls.wake(tx, sorted({due.queue for due in dues}))
    except Exception:  # noqa: BLE001 - whoever it was raises it again, and is named
        return [event for due in dues for event in _enqueue_alone(tx, due)]
    return [Enqueued(tick.task, tick.due_at, tick.call_id) for tick in entered]


def _entry(tx: Connection[Any], due: Due) -> Entry:
    dispatch = due.dispatch(tx)
    placement = dispatch.placement()
    return Entry(
        task=due.task.name,
        due_at=due.at,
        host=due.host,
        job=placement.job,
        queue=placement.queue,
        priority=placement.priority,
        args=orjson.Fragment(dispatch.text(due.task.args)),
        options=(placement.options or {}) | due.notes(),
        deadline_at=due.deadline,
    )


def _enqueue_alone(tx: Connection[Any], due: Due) -> list[Event]:
    name = due.task.name
    try:
        with tx.transaction() as both:
            tick = ticks.claim(tx, task=name, due_at=due.at, host=due.host, deadline_at=due.deadline)
            if tick is None:
                return []
            call = due.dispatch(tx).with_options({"tick": tick} | due.notes()).dispatch(**due.task.args)
            if call.duplicate:
                raise Rollback(both)
            ticks.attach(tx, tick, call.id)
            return [Enqueued(name, due.at, call.id)]
        return [NotRun(name, due.at, "skipped", f"its job is unique, and call {call.id} is there already")]
    except OperationalError:
        raise
    except (Exception, SystemExit) as error:
        log.exception("dispatch failed", extra={"task": name})
        return [NotRun(name, due.at, "failed", f"its dispatch raised {one_line(error)}")]


def one_line(error: BaseException) -> str:
    """An error in one line that the database can store."""
    return storable(f"{type(error).__name__}: {error}")
