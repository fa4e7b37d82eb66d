"""Runs a task in the foreground: for trying it out, outside the schedule and its records."""

from datetime import UTC, datetime
from typing import Any, cast

from forecourt.database import session
from forecourt.jobs.job import Job
from forecourt.schedule.hooking import Run, run_hooks
from forecourt.schedule.task import Task


def run_by_hand(task: Task) -> Any:
    """Run the task's function in this process, with all its hooks, and return its result. What it raises goes through.

    Its effects in the database are committed in one transaction if it takes a session, as in a worker.
    """
    job = cast("Job[..., Any]", task.job)
    due_at = datetime.now(UTC)
    begun = due_at
    run_hooks(task.hooks.before, Run(task.name, due_at, succeeded=False, error=None, result=None, seconds=0.0))
    try:
        args = job.arguments.load(job.arguments.dump(task.args))
        if job.takes_session:
            with session() as opened:
                result = job.function(**args, session=opened)
        else:
            result = job.function(**args)
    except Exception as error:
        failed = Run(task.name, due_at, False, f"{type(error).__name__}: {error}", None, _seconds_since(begun))
        run_hooks((*task.hooks.after, *task.hooks.on_failure), failed)
        raise
    run = Run(task.name, due_at, True, None, result, _seconds_since(begun))
    run_hooks((*task.hooks.after, *task.hooks.on_success), run)
    return result


def _seconds_since(begun: datetime) -> float:
    return (datetime.now(UTC) - begun).total_seconds()
