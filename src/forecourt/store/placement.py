"""Where and when calls enter."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from forecourt.store import json_text


@dataclass(frozen=True, slots=True)
class Placement:
    """Where and when calls of one job enter: everything but their arguments.

    `run_at` is an instant, `delay` seconds from now by the database's clock; neither means now.
    `unique`: the arguments that make a call unique, () for all of them, None if calls are not;
    `defaults`: what an argument is that was left out; `unique_for`: for so many seconds, or while
    the call lives.
    """

    job: str
    queue: str
    priority: int = 0
    delay: float | None = None
    run_at: datetime | None = None
    options: dict[str, Any] | None = None
    trace: str | None = None
    unique: tuple[str, ...] | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
    unique_for: float | None = None

    @property
    def later(self) -> bool:
        """Whether the calls wait in scheduled first."""
        return self.run_at is not None or (self.delay is not None and self.delay > 0)

    def parameters(self) -> dict[str, Any]:
        """The statement's parameters, without the arguments."""
        return {
            "job": self.job,
            "queue": self.queue,
            "priority": self.priority,
            "delay": self.delay,
            "run_at": self.run_at,
            "options": json_text.dumps(self.options) if self.options else "{}",
            "trace": self.trace,
            "batch": (self.options or {}).get("batch"),
            "unique": None if self.unique is None else json_text.dumps(self.unique),
            "defaults": None if self.unique is None else json_text.dumps(self.defaults),
            "unique_for": self.unique_for,
        }
