"""Runs a task's hooks: `before` around its call, the others in a call of their own that follows however it ended.

That call is dispatched in the transaction that ends the task's, so the hooks run after a kill or a timeout as surely as after a
success, and exactly one such call follows.
"""

import inspect
import logging
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPException
from typing import Any

from forecourt.jobs.context import RunningCall
from forecourt.jobs.job import job
from forecourt.jobs.middleware import Middleware, use
from forecourt.schedule.rules import Hook, Ping
from forecourt.schedule.task import Task
from forecourt.schedule.timetable import Timetable

log = logging.getLogger("forecourt.hooks")

PING_TIMEOUT = 10
"""Seconds; the monitoring services that document a limit ask for 5 to 10."""

_timetable: Timetable | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A task's run, as its hooks see it: how it ended, what it returned, how many seconds it took."""

    task: str
    due_at: datetime
    succeeded: bool
    error: str | None
    result: Any
    seconds: float


def serve(timetable: Timetable) -> None:
    """Make this the timetable whose hooks this process runs."""
    global _timetable
    _timetable = timetable
    use(BeforeHooks())


def follow_up(task: Task, instant: datetime, queue: str) -> dict[str, Any]:
    """The note in a call's options that lets its hooks follow, on the same queue; empty for a task without any."""
    hooks = task.hooks
    if not (hooks.after or hooks.on_success or hooks.on_failure):
        return {}
    args = {"task": task.name, "due_at": instant.isoformat(), "job": task.job.name}
    return {"follow": {"job": after_task.name, "queue": queue, "args": args}}


@job(name="forecourt.after_task", tries=1, timeout=300)
def after_task(
    task: str,
    due_at: str,
    job: str,
    succeeded: bool | None,
    seconds: float,
    error: str | None = None,
    result: Any = None,
) -> dict[str, int]:
    """Run what was to happen after a task: `after` first, then `on_success` or `on_failure`, or neither for a run that did not
    succeed and did not fail. Every hook gets its turn; if one raised, this call fails in the end."""
    if _timetable is None or task not in _timetable:
        log.warning("the task is no longer in the timetable, its hooks are gone", extra={"task": task})
        return {"hooks": 0}
    hooks = _timetable[task].hooks
    run = Run(task, datetime.fromisoformat(due_at), bool(succeeded), error, result, seconds)
    by_end = {True: hooks.on_success, False: hooks.on_failure, None: ()}
    chosen = (*hooks.after, *by_end[succeeded])
    run_hooks(chosen, run)
    return {"hooks": len(chosen)}


def run_hooks(hooks: Iterable[Hook], run: Run) -> None:
    """Run all of them; afterwards raise the errors of those that raised. A ping that fails is only logged."""
    errors: list[Exception] = []
    for hook in hooks:
        try:
            _run(hook, run)
        except Exception as error:
            log.exception("hook failed", extra={"task": run.task})
            errors.append(error)
    if errors:
        raise ExceptionGroup(f"hooks of task {run.task}", errors)


def _run(hook: Hook, run: Run) -> None:
    if isinstance(hook, Ping):
        if hook.when is None or hook.when():
            _ping(hook.url, run.task)
    elif inspect.signature(hook).parameters:
        hook(run)
    else:
        hook()


def _ping(url: str, task: str) -> None:
    try:
        with urllib.request.urlopen(url, timeout=PING_TIMEOUT) as answer:  # noqa: S310 - http and https only, checked at load
            answer.read(1024)
    except (OSError, HTTPException, ValueError) as error:  # refused, no HTTP, an address that cannot be encoded
        log.warning("ping failed: %s", error, extra={"task": task, "url": url})


class BeforeHooks(Middleware):
    """Around every call: each attempt at a task's run is preceded by its `before` hooks. If one raises, the attempt fails."""

    def before(self, call: RunningCall) -> None:
        """Run the hooks, if this call is a task's."""
        name = call.options.get("task")
        if isinstance(name, str) and _timetable is not None and name in _timetable:
            due_at = datetime.fromisoformat(call.options["due_at"])
            run = Run(name, due_at, succeeded=False, error=None, result=None, seconds=0.0)
            run_hooks(_timetable[name].hooks.before, run)
