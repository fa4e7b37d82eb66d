"""Runs a task in the foreground: for trying it out, outside the schedule and its records."""

from contextlib import suppress
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
    begun = datetime.now(UTC)
    try:
        run_hooks(task.hooks.before, Run(task.name, begun, succeeded=False, error=None, result=None, seconds=0.0))
        result = _execute(cast("Job[..., Any]", task.job), task.args)
    except Exception as error:
        failed = Run(task.name, begun, False, f"{type(error).__name__}: {error}", None, _seconds_since(begun))
        with suppress(ExceptionGroup):  # logged already, and not to hide why the task failed
            run_hooks((*task.hooks.after, *task.hooks.on_failure), failed)
        raise
    run = Run(task.name, begun, True, None, result, _seconds_since(begun))
    run_hooks((*task.hooks.after, *task.hooks.on_success), run)
    return result


def _execute(job: Job[..., Any], given: dict[str, Any]) -> Any:
    """The function with what a worker would have given it: arguments prepared, and gone through JSON."""
    prepared = job.prepare(dict(given)) if job.prepare is not None else given
    args = job.arguments.load(job.arguments.dump(prepared))
    if job.policy.batch is not None:
        args = {name: [value] for name, value in args.items()}
    if not job.takes_session:
        return job.function(**args)
    with session() as opened:
        return job.function(**args, session=opened)


def _seconds_since(begun: datetime) -> float:
    return (datetime.now(UTC) - begun).total_seconds()
