"""Runs a task now: as a due time of its own, on a worker, with its hooks and its history."""

from typing import Any

from psycopg import Connection

from forecourt.process import hostname, own_queue
from forecourt.schedule.clock import version_of
from forecourt.schedule.enqueuing import Due, enqueue
from forecourt.schedule.events import Enqueued
from forecourt.schedule.task import Task
from forecourt.store import audit, tasks, ticks, workers
from forecourt.store.ticks import Holder


class Holding(Exception):
    """An earlier run of the task is still going; nothing was entered."""

    def __init__(self, task: str, holder: Holder) -> None:
        super().__init__(
            f"{task} is under way as call {holder.call_id}, since {holder.claimed_at:%Y-%m-%d %H:%M:%S %Z}"
        )
        self.holder = holder


class NotEntered(Exception):
    """The task's call could not be entered; the message says why."""


def trigger(tx: Connection[Any], task: Task, *, who: str) -> int:
    """Enter a run of this task, due now, whatever its time, its conditions and pauses, and return
    its call's id. A task that runs on every server runs on this one.

    Raises Holding for a task that may not overlap and is under way, NotEntered when its job refuses
    the call, or when it would wait for a worker on a host that has none.
    """
    host = "" if task.one_server else hostname()
    if host and not workers.serve(tx, own_queue(host)):
        raise NotEntered(
            f"{task.name} runs on every server, and no worker runs on this one, {host}: run it by hand on a host with "
            "one, or set FORECOURT_HOST to the worker's"
        )
    tasks.lock_one(tx, version_of(task, host).name)  # until then neither a clock nor another operator enters a run
    holder = ticks.holders(tx, [(task.name, host)]).get(task.name)
    if holder is not None and not task.may_overlap:
        raise Holding(task.name, holder)
    now = tasks.now(tx)
    # The timetable's due times are whole seconds; this one never is, and so is told from them.
    due = Due(task, now if now.microsecond else now.replace(microsecond=1), host)
    for event in enqueue(tx, [due]):
        if isinstance(event, Enqueued):
            ticks.name_who(tx, event.call_id, who)
            audit.record(tx, who, "schedule trigger", {"task": task.name, "call": event.call_id}, 1)
            return event.call_id
        raise NotEntered(f"{task.name} was not entered: {event.why}")
    raise NotEntered(f"{task.name} was not entered: another run is due at this very instant")
