"""The call that this process is executing, and what stands around every execution."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class RunningCall:
    """The call at hand. `attempt` counts from 1; `options` are the engine's notes in its row."""

    id: int
    job: str
    attempt: int
    options: dict[str, Any]


current: ContextVar[RunningCall | None] = ContextVar("current", default=None)

Middleware: TypeAlias = Callable[[RunningCall, Callable[[], Any]], Any]
"""Called with the call and what to go on with; returns what that returned. What it raises is the attempt's outcome."""

middleware: list[Middleware] = []
"""What stands around every execution in this process, outermost first."""


def surrounded(call: RunningCall, execute: Callable[[], Any]) -> Any:
    """Execute inside all middleware."""
    for outer in reversed(middleware):
        execute = _bind(outer, call, execute)
    return execute()


def _bind(outer: Middleware, call: RunningCall, inner: Callable[[], Any]) -> Callable[[], Any]:
    return lambda: outer(call, inner)
