"""Runs a task in the foreground: for trying it out, outside the schedule and its records."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, cast

from forecourt.jobs.context import RunningCall
from forecourt.jobs.foreground import run_in_foreground
from forecourt.jobs.job import Job
from forecourt.jobs.middleware import Middleware
from forecourt.jobs.outcome import Discard, Release
from forecourt.schedule.hook_runner import Run, run_hooks
from forecourt.schedule.rules import Hook
from forecourt.schedule.task import Task


def run_now(task: Task, middleware: Sequence[Middleware]) -> Any:
    """Run the task's function in this process, with all its hooks and inside its application's
    middleware, as a slot would, and return its result. What it raises goes through.

    Its effects in the database are committed in one transaction if it takes a session, as in a
    worker.
    """
    job = cast("Job[..., Any]", task.job)
    begun = datetime.now(UTC)
    try:
        # The middleware runs the `before` hooks of the task that the call's options name.
        call = RunningCall(
            0, job.name, 1, {"task": task.name, "due_at": begun.isoformat()}, job.extras, job.policy.queue
        )
        result = run_in_foreground(job, call, [job.using().text(task.args)], middleware)
    except Release:  # not its end
        raise
    except Discard:
        _end(task, Run(task.name, begun, "cancelled", seconds=_seconds_since(begun)))
        raise
    except (Exception, SystemExit) as error:
        words = f"{type(error).__name__}: {error}"
        _end(task, Run(task.name, begun, "failed", words, seconds=_seconds_since(begun)), task.hooks.on_failure)
        raise
    run = Run(task.name, begun, "succeeded", None, result, _seconds_since(begun))
    run_hooks((*task.hooks.after, *task.hooks.on_success), run)
    return result


def _end(task: Task, run: Run, more: tuple[Hook, ...] = ()) -> None:
    with suppress(ExceptionGroup):  # logged already, and not to hide how the task ended
        run_hooks((*task.hooks.after, *more), run)


def _seconds_since(begun: datetime) -> float:
    return (datetime.now(UTC) - begun).total_seconds()
