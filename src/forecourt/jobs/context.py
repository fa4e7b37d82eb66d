"""The call that this process is executing."""

from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, NamedTuple


class RunningCall(NamedTuple):
    """The call at hand. `attempt` counts from 1; `options` are the engine's notes in its row;
    `extras` are the values of the options that middleware added to its job; `queue` is the one that
    it came from."""

    id: int
    job: str
    attempt: int
    options: dict[str, Any]
    extras: Mapping[str, Any] = MappingProxyType({})
    queue: str = "default"


current: ContextVar[RunningCall | None] = ContextVar("current", default=None)
