"""What stands around every execution: the one extension point of the engine.

A middleware declares the options that it adds to `@job`; an option that neither the engine nor a
middleware in use declares is an error where the job is decorated.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, ClassVar

from forecourt.jobs.context import RunningCall


class Middleware:
    """Override what you need: `before` and `after`, or `around` and `around_async`, which call
    them.

    What `before` raises is the attempt's outcome, and the function does not run. `Release` and
    `Discard` may be raised as in a job.
    """

    options: ClassVar[frozenset[str]] = frozenset()
    """The names of the options that it adds to `@job`; a call's values are in `call.extras`."""

    def before(self, call: RunningCall) -> None:
        """Before the function runs."""

    def after(self, call: RunningCall, error: BaseException | None) -> None:
        """After it ended, with what it raised."""

    def around(self, call: RunningCall, execute: Callable[[], Any]) -> Any:
        """Execute, and return what that returned."""
        self.before(call)
        try:
            result = execute()
        except BaseException as error:
            self.after(call, error)
            raise
        self.after(call, None)
        return result

    async def around_async(self, call: RunningCall, execute: Callable[[], Awaitable[Any]]) -> Any:
        """The same around a coroutine. Raises TypeError if only `around` was overridden, which
        cannot wait for one.
        """
        if type(self).around is not Middleware.around:
            raise TypeError(
                f"{type(self).__name__} has an around of its own, so it needs an around_async for async jobs"
            )
        self.before(call)
        try:
            result = await execute()
        except BaseException as error:
            self.after(call, error)
            raise
        self.after(call, None)
        return result


_in_use: list[Middleware] = []


def use(middleware: Middleware) -> None:
    """Put this middleware around every execution in this process, inside those that are in use
    already. Call it in the module that defines the jobs, before them. A second one of the same
    class replaces the first. Raises ValueError when its options clash."""
    others = [known for known in _in_use if type(known) is not type(middleware)]
    for known in others:
        if clash := known.options & middleware.options:
            raise ValueError(
                f"{type(middleware).__name__} and {type(known).__name__} both add {', '.join(sorted(clash))}"
            )
    _in_use[:] = [*others, middleware]


def declared() -> frozenset[str]:
    """The options that the middleware in use adds to `@job`."""
    return frozenset().union(*(middleware.options for middleware in _in_use))


def surrounded(call: RunningCall, execute: Callable[[], Any]) -> Any:
    """Execute inside all middleware, the first in use outermost."""
    for middleware in reversed(_in_use):
        execute = _inside(middleware, call, execute)
    return execute()


async def surrounded_async(call: RunningCall, execute: Callable[[], Awaitable[Any]]) -> Any:
    """The same for a coroutine."""
    for middleware in reversed(_in_use):
        execute = partial(middleware.around_async, call, execute)
    return await execute()


def _inside(middleware: Middleware, call: RunningCall, execute: Callable[[], Any]) -> Callable[[], Any]:
    return lambda: middleware.around(call, execute)
