"""What a deploy would change: two timetables as plain data, task by task."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from forecourt.schedule.definition import Definition, due_times

DUE_TIMES = 3
"""How many due times of each task are told."""


@dataclass(frozen=True, slots=True)
class Change:
    """A task that was added, removed or changed: its rules before and after, and the due times to
    come by each.
    """

    task: str
    kind: Literal["added", "removed", "changed"]
    before: Definition | None
    after: Definition | None
    due_before: tuple[datetime, ...]
    due_after: tuple[datetime, ...]

    @property
    def fields(self) -> dict[str, tuple[Any, Any]]:
        """What differs, as (before, after)."""
        if self.before is None or self.after is None:
            return {}
        names = dict.fromkeys([*self.before, *self.after])
        values = {name: (self.before.get(name), self.after.get(name)) for name in names}
        return {name: (before, after) for name, (before, after) in values.items() if before != after}


def difference(before: Mapping[str, Definition], after: Mapping[str, Definition], now: datetime) -> list[Change]:
    """Every task that is not the same in both: those of `after` in their order, then those that are
    gone.
    """
    found = []
    for name in dict.fromkeys([*after, *before]):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        kind: Literal["added", "removed", "changed"] = (
            "added" if old is None else "removed" if new is None else "changed"
        )
        due_before, due_after = (() if one is None else tuple(due_times(one, now, DUE_TIMES)) for one in (old, new))
        found.append(Change(name, kind, old, new, due_before, due_after))
    return found
