"""Runs a task's hooks: `before` around its call, the others in a call of their own that follows
however it ended.

That call is dispatched in the transaction that ends the task's, so the hooks run after a kill or a
timeout as surely as after a success, and exactly one such call follows.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.error import HTTPError, URLError

import psycopg

from forecourt.database.connecting import DatabaseUnreachable, connect
from forecourt.jobs.context import RunningCall
from forecourt.jobs.job import job
from forecourt.jobs.middleware import Middleware
from forecourt.jobs.outcome import NotKnownHere
from forecourt.schedule.fluent import accepts
from forecourt.schedule.rules import Hook, Hooks, Ping, not_awaited
from forecourt.schedule.task import Task
from forecourt.schedule.timetable import Timetable
from forecourt.store import pings

log = logging.getLogger("forecourt.hooks")

PING_TIMEOUT = 10
"""Seconds; the monitoring services that document a limit ask for 5 to 10."""

_timetable: ContextVar[Timetable | None] = ContextVar("timetable", default=None)
"""The one whose hooks run: that of the application whose call is executed."""


@dataclass(frozen=True, slots=True)
class Run:
    """A task's run, as its hooks see it: how it ended, what it returned, how many seconds it took.

    `status`: running (before it), succeeded, failed, cancelled; overdue for one that goes on after
    its deadline; and of a due time without a run missed, skipped or failed. `error` then says why.
    `due_times`: how many this tells of; `due_at` is the latest.
    """

    task: str
    due_at: datetime
    status: str
    error: str | None = None
    result: Any = None
    seconds: float = 0.0
    due_times: int = 1

    @property
    def succeeded(self) -> bool:
        """Whether it ended well."""
        return self.status == "succeeded"


def follow_up(task: Task, instant: datetime, queue: str) -> dict[str, Any]:
    """The note in a call's options that lets its hooks follow, on the same queue; empty for a task
    without any.
    """
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
    """Run what was to happen after a task: `after` first, then `on_success` or `on_failure`, or
    neither for a run that did not succeed and did not fail. Every hook gets its turn; if one
    raised, this call fails in the end."""
    hooks = _hooks_of(task)
    by_end = {True: hooks.on_success, False: hooks.on_failure, None: ()}
    status = {True: "succeeded", False: "failed", None: "cancelled"}[succeeded]
    chosen = (*hooks.after, *by_end[succeeded])
    run_hooks(chosen, Run(task, datetime.fromisoformat(due_at), status, error, result, seconds))
    return {"hooks": len(chosen)}


@job(name="forecourt.task_incident", tries=1, timeout=300)
def task_incident(task: str, due_at: str, status: str, why: str, due_times: int) -> dict[str, int]:
    """Run what was to happen instead of a run, or when one is overdue: `on_missed`, `on_skipped`,
    `on_failure`, `on_overdue`.
    """
    chosen = of_incident(_hooks_of(task), status)
    run_hooks(chosen, Run(task, datetime.fromisoformat(due_at), status, error=why, due_times=due_times))
    return {"hooks": len(chosen)}


HOOK_CALLS = frozenset({after_task.name, task_incident.name})


def of_incident(hooks: Hooks, status: str) -> tuple[Hook, ...]:
    """Those that a due time without a finished run calls."""
    return {
        "missed": hooks.on_missed,
        "skipped": hooks.on_skipped,
        "failed": hooks.on_failure,
        "overdue": hooks.on_overdue,
    }[status]


def _hooks_of(task: str) -> Hooks:
    timetable = _timetable.get()
    if timetable is None:
        log.warning("no application is at hand, so there are no hooks", extra={"task": task})
        return Hooks()
    if task not in timetable:  # of another application on this database, or of another version
        raise NotKnownHere(f"no task is named {task!r} here")
    return timetable[task].hooks


def run_hooks(hooks: Iterable[Hook], run: Run) -> None:
    """Run all of them; afterwards raise the errors of those that raised. A ping that fails is only
    logged.
    """
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
        if hook.when is None or not_awaited(hook.when()):
            _ping(hook, run)
    else:
        not_awaited(hook(run) if accepts(hook, run) else hook())


def _ping(ping: Ping, run: Run) -> None:
    from http.client import HTTPException
    from urllib.request import urlopen

    wrong = None
    try:
        with urlopen(ping.url, timeout=PING_TIMEOUT) as answer:  # noqa: S310 - http and https only, checked at load
            answer.read1(1024)  # once: a body that never ends is no business of ours
    except (OSError, HTTPException, ValueError) as error:  # refused, no HTTP, an address that cannot be encoded
        wrong = _in_short(error)
        log.warning("ping failed: %s", wrong, extra={"task": run.task, "address": ping.address})
    # For the task's page alone: no run fails for it. On a connection of its own, since a slot keeps
    # none for this, and that of a session may be in a transaction.
    with suppress(psycopg.Error, DatabaseUnreachable), connect(application_name="forecourt ping") as tx:
        pings.record(tx, run.task, ping.address, run.status, wrong)


def _in_short(error: Exception) -> str:
    """What was wrong, without the address: its path may be secret, and messages quote it."""
    match error:
        case HTTPError():
            with error:  # it is an answer, with its connection
                return f"HTTP {error.code}"
        case URLError(reason=Exception() as reason):
            return type(reason).__name__
        case _:
            return type(error).__name__


class TaskHooks(Middleware):
    """Around every call of an application: each attempt at a task's run is preceded by its `before`
    hooks, and the calls that run hooks run those of its timetable. If one raises, the attempt
    fails.
    """

    def __init__(self, timetable: Timetable) -> None:
        self._tasks = timetable

    def before(self, call: RunningCall) -> None:
        """Run the hooks, if this call is a task's."""
        name = call.options.get("task")
        if isinstance(name, str) and name in self._tasks:
            due_at = datetime.fromisoformat(call.options["due_at"])
            run_hooks(self._tasks[name].hooks.before, Run(name, due_at, "running"))

    def around(self, call: RunningCall, execute: Callable[[], Any]) -> Any:
        """Execute, and return what that returned."""
        if call.job not in HOOK_CALLS:
            self.before(call)
            return execute()
        with self._timetable_at_hand():
            return execute()

    async def around_async(self, call: RunningCall, execute: Callable[[], Awaitable[Any]]) -> Any:
        """The same around a coroutine, which no call is that runs hooks."""
        self.before(call)
        return await execute()

    @contextmanager
    def _timetable_at_hand(self) -> Iterator[None]:
        others = _timetable.set(self._tasks)
        try:
            yield
        finally:
            _timetable.reset(others)
