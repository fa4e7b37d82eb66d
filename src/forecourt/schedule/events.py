"""What a round of the clock made of the due times that it found, and how that is logged."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

from forecourt.language import gettext as _
from forecourt.schedule.task import Task
from forecourt.store.ticks import Holder

log = logging.getLogger("forecourt.clock")


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


@dataclass(frozen=True, slots=True)
class Overdue:
    """A run had not ended by its task's deadline. It goes on."""

    task: str
    due_at: datetime
    host: str
    call_id: int
    deadline_at: datetime

    @property
    def why(self) -> str:
        """What is wrong, in words."""
        return f"call {self.call_id} has not ended by {self.deadline_at.astimezone(UTC):%Y-%m-%d %H:%M:%S %Z}"


Event: TypeAlias = Enqueued | NotRun | Overdue


def log_event(event: Event) -> None:
    """One line of the log."""
    match event:
        case Enqueued(task, due_at, call_id):
            log.info("task enqueued", extra={"task": task, "due_at": due_at.isoformat(), "call": call_id})
        case NotRun(task, due_at, status, why):
            level = logging.ERROR if status == "failed" else logging.WARNING
            log.log(level, "task %s", status, extra={"task": task, "due_at": due_at.isoformat(), "why": why})
        case Overdue(task, due_at):
            log.warning("task overdue", extra={"task": task, "due_at": due_at.isoformat(), "why": event.why})


def holding(held: Holder, task: Task) -> str:
    """Who keeps a task from starting again, in words."""
    due, since = held.due_at.astimezone(task.zone), held.claimed_at.astimezone(task.zone)
    facts = {"time": f"{due:%Y-%m-%d %H:%M:%S %Z}", "id": held.call_id, "since": f"{since:%H:%M:%S %Z}"}
    if not held.host:
        return _("the run of %(time)s waits for a worker: call %(id)s, since %(since)s", **facts)
    where = {"host": held.host, "pid": held.pid}
    return _("the run of %(time)s runs on %(host)s, process %(pid)s: call %(id)s, since %(since)s", **facts, **where)
