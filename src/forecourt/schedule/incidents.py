"""Silence is an event: a due time without a run, and a run past its deadline, get the hooks that
their task has for it.

The hooks are a call, dispatched in the transaction that records the incident: nobody is called
twice, and nobody is forgotten.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from psycopg import Connection

from forecourt.schedule.enqueuing import queue_of
from forecourt.schedule.events import NotRun, Overdue
from forecourt.schedule.hook_runner import of_incident, task_incident
from forecourt.schedule.task import Task
from forecourt.store import calls
from forecourt.store.placement import Placement

URGENT = -1000
"""The priority of these calls: a queue that is late must not delay those that say so."""


def follow(tx: Connection[Any], tasks: Mapping[str, Task], host: str, found: Sequence[NotRun | Overdue]) -> None:
    """Dispatch the hooks that these call for, one call for all of a task's that are alike. `host`:
    whose clock this is.
    """
    alike: dict[tuple[str, str], list[NotRun | Overdue]] = {}
    for one in found:
        status = one.status if isinstance(one, NotRun) else "overdue"
        if of_incident(tasks[one.task].hooks, status):
            alike.setdefault((one.task, status), []).append(one)
    for (name, status), ones in alike.items():
        latest = max(ones, key=lambda one: one.due_at)
        task = tasks[name]
        queue = queue_of(task, "" if task.one_server else host)
        args = {
            "task": name,
            "due_at": latest.due_at.isoformat(),
            "status": status,
            "why": latest.why,
            "due_times": len(ones),
        }
        calls.enter(tx, Placement(task_incident.name, queue, URGENT), orjson.dumps(args).decode())
