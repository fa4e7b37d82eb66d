"""The words that hang functions and pings around a task's runs."""

from collections.abc import Callable
from dataclasses import replace
from typing import Self

from forecourt.schedule.fluent import Fluent, plain_function
from forecourt.schedule.rules import Hooks, Ping

Function = Callable[..., object]
Switch = bool | Callable[[], object]


class Hooked(Fluent):
    """Hooks run in the order given, also after a timeout or a kill.

    `when=` on a ping is a condition: a bool decides now, a function each time.
    """

    def before(self, function: Function) -> Self:
        """Call `function` before each run."""
        return self._hook(lambda: Hooks(before=(plain_function("before", function),)))

    def after(self, function: Function) -> Self:
        """Call `function` after each run, however it ended."""
        return self._hook(lambda: Hooks(after=(plain_function("after", function),)))

    then = after

    def on_success(self, function: Function) -> Self:
        """Call `function` after each run that succeeded."""
        return self._hook(lambda: Hooks(on_success=(plain_function("on_success", function),)))

    def on_failure(self, function: Function) -> Self:
        """Call `function` after each run that failed for good."""
        return self._hook(lambda: Hooks(on_failure=(plain_function("on_failure", function),)))

    def ping_before(self, url: str, *, when: Switch = True) -> Self:
        """GET `url` before each run."""
        return self._hook(lambda: Hooks(before=_ping(url, when)))

    def then_ping(self, url: str, *, when: Switch = True) -> Self:
        """GET `url` after each run, however it ended."""
        return self._hook(lambda: Hooks(after=_ping(url, when)))

    def ping_on_success(self, url: str, *, when: Switch = True) -> Self:
        """GET `url` after each run that succeeded."""
        return self._hook(lambda: Hooks(on_success=_ping(url, when)))

    def ping_on_failure(self, url: str, *, when: Switch = True) -> Self:
        """GET `url` after each run that failed for good."""
        return self._hook(lambda: Hooks(on_failure=_ping(url, when)))

    def _hook(self, hooks: Callable[[], Hooks]) -> Self:
        return self._change(lambda own: replace(own, hooks=own.hooks + hooks()))


def _ping(url: str, when: Switch) -> tuple[Ping, ...]:
    if isinstance(when, bool):
        ping = Ping(url)  # made also when it is switched off, so that its address is checked
        return (ping,) if when else ()
    return (Ping(url, plain_function("when=", when)),)
