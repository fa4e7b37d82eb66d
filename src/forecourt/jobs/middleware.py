"""What stands around every execution: the one extension point of the engine.

An application is given its middleware. Each declares the options that it adds to `@job`; an option
that neither the engine nor the application's middleware declares is refused before anything runs.
"""

from collections.abc import Awaitable, Callable, Sequence
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


def options_of(middleware: Sequence[Middleware]) -> frozenset[str]:
    """The options that these add to `@job`. Raises ValueError when two add the same."""
    adds: dict[str, Middleware] = {}
    for one in middleware:
        if clash := adds.keys() & one.options:
            other = type(adds[min(clash)]).__name__
            raise ValueError(f"{type(one).__name__} and {other} both add {', '.join(sorted(clash))}")
        adds |= dict.fromkeys(one.options, one)
    return frozenset(adds)


def surrounded(middleware: Sequence[Middleware], call: RunningCall, execute: Callable[[], Any]) -> Any:
    """Execute inside all of it, the first outermost."""
    for one in reversed(middleware):
        execute = _inside(one, call, execute)
    return execute()


async def surrounded_async(
    middleware: Sequence[Middleware], call: RunningCall, execute: Callable[[], Awaitable[Any]]
) -> Any:
    """The same for a coroutine."""
    for one in reversed(middleware):
        execute = partial(one.around_async, call, execute)
    return await execute()


def _inside(middleware: Middleware, call: RunningCall, execute: Callable[[], Any]) -> Callable[[], Any]:
    return lambda: middleware.around(call, execute)
