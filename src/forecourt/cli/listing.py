"""How a task is described in the table of `forecourt schedule list`."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from forecourt.cli.console import relative

if TYPE_CHECKING:
    from forecourt.web.api.schedule import Described


def lines(task: "Described", zone: ZoneInfo, now: datetime) -> Iterator[list[str]]:
    """A task's lines of the list: one for each due time, the first with all the rest."""
    added = ["added while it ran"] if task.stored else []
    when = ", ".join([task.sentence, *(f"in {name}" for name in task.environments), *task.conditions, *added])
    first = [task.task, when, task.cron, task.timezone]
    if not task.next_due:
        yield [*first, "–", task.next_due_human, _last(task, now)]
    for number, instant in enumerate(task.next_due):
        yield [*first, _local(instant, zone), relative(instant, now), "" if number else _last(task, now)]


def _last(task: "Described", now: datetime) -> str:
    if task.paused:
        return str(task.paused)
    last = task.last
    if last is None:
        return "never ran"
    when = relative(last.finished_at or last.due_at, now)
    return f"{last.status} {when}" + (f": {last.why}" if last.why else "")


def _local(instant: datetime, zone: ZoneInfo) -> str:
    return instant.astimezone(zone).strftime("%a %Y-%m-%d %H:%M:%S").removesuffix(":00")
