"""Due times that nobody looked at: the clock is away, or stuck, or another one holds the task and does not come back."""

from typing import Any

from psycopg import Connection

from forecourt.app import Forecourt
from forecourt.schedule.task import Task
from forecourt.settings import settings
from forecourt.store import tasks
from forecourt.store.tasks import Version


def own_tasks(app: Forecourt) -> list[Task]:
    """The tasks that are due in this environment."""
    return [task for task in app.timetable if task.runs_in(settings().environment)]


def overdue(tx: Connection[Any], app: Forecourt) -> dict[str, float]:
    """How many seconds ago each task was due without a clock having looked; 0 for those that are on time. A task that no clock
    knows yet is left out, and so is one for every server: each host's clock looks for itself."""
    versions = {task.name: Version(task.name, task.fingerprint) for task in own_tasks(app) if task.one_server}
    evaluated = tasks.evaluated(tx, list(versions.values()))
    now = tasks.now(tx)
    return {
        name: max(0.0, (now - app.timetable[name].next_due(until)).total_seconds()) for name, until in evaluated.items()
    }
