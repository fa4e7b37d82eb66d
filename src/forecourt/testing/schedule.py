"""Assertions about the timetable, and a clock that stands still."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from forecourt.app import load
from forecourt.jobs.job import Job
from forecourt.schedule.cron import cron_fields, parse_cron
from forecourt.schedule.occurrences import aware
from forecourt.schedule.task import Task
from forecourt.schedule.timetable import Timetable
from forecourt.store import tasks
from forecourt.testing.matchers import CallMatcher, as_received, call_text


@contextmanager
def freeze(at: datetime) -> Iterator[None]:
    """While the block runs, `at` is the database's now for the schedule: for `Clock.run_once`, and
    for `assert_due`.

    Everything else keeps the real time: delays, leases, Python's clock. Raises ValueError for a
    naive instant.
    """
    before, tasks.frozen = tasks.frozen, aware(at)
    try:
        yield
    finally:
        tasks.frozen = before


def assert_scheduled(
    job: Job[..., Any],
    cron: str,
    /,
    *,
    timetable: Timetable | None = None,
    repeat_seconds: int | None = None,
    **args: Any,
) -> None:
    """A task runs this job, with these arguments among its own, at the times of this cron
    expression.

    `timetable` is that of the application which FORECOURT_APP names, unless given. A task that
    repeats within the minute is asked for with `repeat_seconds`. Raises TimetableError if the
    expression is wrong.
    """
    __tracebackhide__ = True  # pytest then shows the line of the test
    matcher = CallMatcher(job, args)
    parse_cron(cron)
    timetable = load().timetable if timetable is None else timetable
    for task in timetable:
        if (
            task.job is job
            and matcher.matches(job, as_received(job, task.args))
            and cron_fields(task.cron) == cron_fields(cron)
            and task.repeat_seconds == repeat_seconds
        ):
            return
    every = f" every {repeat_seconds} s" if repeat_seconds else ""
    lines = [f"  {_sentence(task)}" for task in timetable] or ["  nothing"]
    raise AssertionError("\n".join([f"no task runs {matcher} at {cron!r}{every}. The timetable has:", *lines]))


def assert_due(task: Task, at: datetime | None = None) -> None:
    """The task is due at this instant, or at the one that `freeze` holds, by its frequency, zone
    and windows.

    Conditions and pauses are not asked. Raises ValueError if there is no instant, or a naive one.
    """
    __tracebackhide__ = True
    instant = tasks.frozen if at is None else at
    if instant is None:
        raise ValueError("assert_due: give at=, or freeze the clock; by the real time a test would pass now and then")
    if not task.is_due(instant):
        local = instant.astimezone(task.zone)
        coming = task.next_due(instant).astimezone(task.zone)
        raise AssertionError(f"not due at {local} ({task.zone.key}), next at {coming}: {_sentence(task)}")


def _sentence(task: Task) -> str:
    job: Any = task.job
    return f"{task.name}: {call_text(job, task.args)} at {str(task.cron)!r}, {task.zone.key}: {task.sentence}"
