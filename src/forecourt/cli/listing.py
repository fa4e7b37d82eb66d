"""How a task is described in `forecourt schedule list`: as JSON for programs, and as lines of a table."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from forecourt.cli.console import relative

if TYPE_CHECKING:
    from forecourt.schedule.task import Task


def described(
    task: "Task", now: datetime, upcoming: int, last: Any, halted: dict[tuple[str, str], Any]
) -> dict[str, Any]:
    """A task with its next due times, what holds it back, and how its latest due time ended."""
    from forecourt.schedule.clock import pause_of
    from forecourt.settings import settings

    instants = []
    at = now
    for _ in range(upcoming):
        at = task.next_due(at)
        instants.append(at)
    paused = pause_of(task, halted)
    here = task.runs_in(settings().environment)
    return {
        "task": task.name,
        "job": task.job.name,
        "description": task.description,
        "stored": task.is_stored,
        "sentence": task.sentence,
        "cron": str(task.cron),
        "repeat_seconds": task.repeat_seconds,
        "timezone": task.zone.key,
        "environments": list(task.rules.environments),
        "conditions": [str(condition) for condition in task.rules.conditions],
        "next_due": instants if here else [],
        "next_due_human": relative(instants[0], now) if here else f"not in this environment, {settings().environment}",
        "paused": None if paused is None else str(paused),
        "last": None
        if last is None
        else {
            "due_at": last.due_at,
            "status": last.status,
            "why": last.why,
            "finished_at": last.finished_at,
            "output": last.output,
            "call": last.call_id,
        },
    }


def lines(row: dict[str, Any], zone: ZoneInfo, now: datetime) -> Iterator[list[str]]:
    """A task's lines of the list: one for each due time, the first with all the rest."""
    when = ", ".join([row["sentence"], *(f"in {name}" for name in row["environments"]), *row["conditions"]])
    first = [row["task"], when, row["cron"], row["timezone"]]
    if not row["next_due"]:
        yield [*first, "–", row["next_due_human"], _last(row, now)]
    for number, instant in enumerate(row["next_due"]):
        yield [*first, _local(instant, zone), relative(instant, now), "" if number else _last(row, now)]


def _last(row: dict[str, Any], now: datetime) -> str:
    if row["paused"]:
        return str(row["paused"])
    last = row["last"]
    if last is None:
        return "never ran"
    when = relative(last["finished_at"] or last["due_at"], now)
    return f"{last['status']} {when}" + (f": {last['why']}" if last["why"] else "")


def _local(instant: datetime, zone: ZoneInfo) -> str:
    return instant.astimezone(zone).strftime("%a %Y-%m-%d %H:%M:%S").removesuffix(":00")
