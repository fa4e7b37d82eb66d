"""The call that this process is executing."""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class RunningCall:
    """The call at hand. `attempt` counts from 1; `options` are the engine's notes in its row; `extras` are the values of the
    options that middleware added to its job."""

    id: int
    job: str
    attempt: int
    options: dict[str, Any]
    extras: Mapping[str, Any] = field(default_factory=dict)


current: ContextVar[RunningCall | None] = ContextVar("current", default=None)
