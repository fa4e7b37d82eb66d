"""A task as plain data: what two versions of a timetable are compared by, also when one of them is
in another process.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import islice
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from forecourt.durations import duration
from forecourt.schedule.occurrences import occurrences, wall_times
from forecourt.schedule.rules import Hook, Hooks, Misfire, Ping
from forecourt.schedule.sentence import sentence
from forecourt.schedule.task import Task
from forecourt.schedule.time_window import TimeWindow

Definition: TypeAlias = Mapping[str, Any]
"""A task's rules as JSON has them. Functions are there by their names."""


def definition(task: Task) -> dict[str, Any]:
    """What a task says of its runs: all but its name, its place and its attributes."""
    rules = task.rules
    return {
        "job": task.job.name,
        "args": task.args,
        "cron": str(task.cron),
        "repeat_seconds": task.repeat_seconds,
        "zone": task.zone.key,
        "windows": [[window.start, window.end, window.inside] for window in rules.windows],
        "conditions": [str(condition) for condition in rules.conditions],
        "environments": list(rules.environments),
        "even_when_paused": task.ignores_pause,
        "on_every_server": not task.one_server,
        "allow_overlapping": task.may_overlap,
        "late": _late(task.misfire),
        "shift_policy": rules.shift_policy,
        "jitter": None if rules.jitter is None else _words(rules.jitter),
        "deadline": None if task.run_within is None else _words(task.run_within),
        "queue": task.options.get("queue"),
        "priority": task.options.get("priority"),
        "hooks": _hooks(task.hooks),
        "groups": list(task.groups),
        "description": str(task.description),
    }


def definitions(tasks: Iterable[Task]) -> dict[str, dict[str, Any]]:
    """Those of a timetable, by the tasks' names, as they come back from JSON."""
    found: dict[str, dict[str, Any]] = json.loads(
        json.dumps({task.name: definition(task) for task in tasks}, default=str)
    )
    return found


def described(of: Definition) -> str:
    """When it is due, in words, with its zone."""
    windows = map(str, _windows(of))
    return f"{', '.join([sentence(of['cron'], of['repeat_seconds']), *windows])} ({of['zone']})"


def due_times(of: Definition, after: datetime, count: int) -> list[datetime]:
    """Its next due times."""
    return list(islice(_occurrences(of, after), count))


def _occurrences(of: Definition, after: datetime) -> Iterator[datetime]:
    times = wall_times(of["cron"], of["repeat_seconds"], tuple(_windows(of)), of.get("shift_policy"))
    return occurrences(times, ZoneInfo(of["zone"]), after)


def _windows(of: Definition) -> Iterator[TimeWindow]:
    return (TimeWindow(*window) for window in of["windows"])


def _late(misfire: Misfire) -> str:
    within = None if misfire.within is None else _words(misfire.within)
    match misfire.kind:
        case "skip":
            return "never"
        case "once":
            return f"the latest, within {within}" if within else "the latest, while nearer than the next"
        case "every":
            return f"each, within {within}" if within else "each"


def _words(span: timedelta) -> str:
    return duration(span.total_seconds())


def _hooks(hooks: Hooks) -> dict[str, list[str]]:
    return {name: [_named(hook) for hook in getattr(hooks, name)] for name in Hooks.__slots__ if getattr(hooks, name)}


def _named(hook: Hook) -> str:
    if isinstance(hook, Ping):
        # Whoever knows the path of a monitor may speak for it, so that only its change is told.
        return f"ping {hook.address} ({sha256(hook.url.encode()).hexdigest()[:8]})"
    return f"{getattr(hook, '__module__', '')}.{getattr(hook, '__qualname__', type(hook).__name__)}"
