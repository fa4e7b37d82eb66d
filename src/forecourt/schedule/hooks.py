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
        return self._hook(lambda: Hooks(before=(plain_function("before", function, "run"),)))

    def after(self, function: Function) -> Self:
        """Call `function` after each run, however it ended."""
        return self._hook(lambda: Hooks(after=(plain_function("after", function, "run"),)))

    then = after

    def on_success(self, function: Function) -> Self:
        """Call `function` after each run that succeeded."""
        return self._hook(lambda: Hooks(on_success=(plain_function("on_success", function, "run"),)))

    def on_failure(self, function: Function) -> Self:
        """Call `function` after each run that failed for good, and for a due time whose condition
        or dispatch raised.
        """
        return self._hook(lambda: Hooks(on_failure=(plain_function("on_failure", function, "run"),)))

    def on_missed(self, function: Function) -> Self:
        """Call `function` when due times have passed without a run, because no clock ran. Once for
        all that are found together.
        """
        return self._hook(lambda: Hooks(on_missed=(plain_function("on_missed", function, "run"),)))

    def on_skipped(self, function: Function) -> Self:
        """Call `function` when a due time was skipped: by a pause, a condition, or a run that still
        went on.
        """
        return self._hook(lambda: Hooks(on_skipped=(plain_function("on_skipped", function, "run"),)))

    def on_overdue(self, function: Function) -> Self:
        """Call `function` when a run has not ended by its `deadline`. It is called beside the run,
        which goes on.
        """
        return self._hook(lambda: Hooks(on_overdue=(plain_function("on_overdue", function, "run"),)))

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
        """GET `url` whenever `on_failure` would call a function."""
        return self._hook(lambda: Hooks(on_failure=_ping(url, when)))

    def ping_on_missed(self, url: str, *, when: Switch = True) -> Self:
        """GET `url` whenever `on_missed` would call a function."""
        return self._hook(lambda: Hooks(on_missed=_ping(url, when)))

    def ping_on_skipped(self, url: str, *, when: Switch = True) -> Self:
        """GET `url` whenever `on_skipped` would call a function."""
        return self._hook(lambda: Hooks(on_skipped=_ping(url, when)))

    def ping_on_overdue(self, url: str, *, when: Switch = True) -> Self:
        """GET `url` whenever `on_overdue` would call a function."""
        return self._hook(lambda: Hooks(on_overdue=_ping(url, when)))

    def _hook(self, hooks: Callable[[], Hooks]) -> Self:
        return self._change(lambda own: replace(own, hooks=own.hooks + hooks()))


def _ping(url: str, when: Switch) -> tuple[Ping, ...]:
    if isinstance(when, bool):
        ping = Ping(url)  # made also when it is switched off, so that its address is checked
        return (ping,) if when else ()
    return (Ping(url, plain_function("when=", when)),)
