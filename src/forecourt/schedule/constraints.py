"""The words that hold a task back: windows, conditions, environments, and what a pause does to
it.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Self

from forecourt.schedule.errors import TimetableError
from forecourt.schedule.fluent import Fluent, plain_function
from forecourt.schedule.rules import Condition
from forecourt.schedule.time_window import TimeWindow, minute_of_day


class Constraints(Fluent):
    """When a task that is due still does not run. Constraints add up: all must allow it."""

    def between(self, start: str, end: str) -> Self:
        """Only at due times from `start` to `end`, such as "8:00" and "17:00": both included, in
        the task's zone.

        An end before the start lies on the next day.
        """
        return self._window(start, end, inside=True)

    def unless_between(self, start: str, end: str) -> Self:
        """Not at due times from `start` to `end`: otherwise like `between`."""
        return self._window(start, end, inside=False)

    def _window(self, start: str, end: str, *, inside: bool) -> Self:
        return self._change(
            lambda own: replace(
                own, windows=(*own.windows, TimeWindow(minute_of_day(start), minute_of_day(end), inside))
            )
        )

    def when(self, test: Callable[[], object]) -> Self:
        """Only if `test()` is true when the task is due. If it raises, this run of this task fails,
        and no other.
        """
        return self._change(
            lambda own: replace(own, conditions=(*own.conditions, Condition("when", plain_function("when", test))))
        )

    def skip(self, test: Callable[[], object]) -> Self:
        """Not if `test()` is true when the task is due. If it raises, this run of this task fails,
        and no other.
        """
        return self._change(
            lambda own: replace(own, conditions=(*own.conditions, Condition("skip", plain_function("skip", test))))
        )

    def environments(self, *names: str) -> Self:
        """Only where FORECOURT_ENVIRONMENT is one of `names`. The last call holds, a task's over
        its group's.
        """
        if not names or not all(isinstance(name, str) and name and name.isprintable() for name in names):
            raise self._named(TimetableError(f"environments{names!r}: expected names, such as 'production', 'staging'"))
        return self._set(environments=names)

    def even_when_paused(self) -> Self:
        """Run also while the schedule is paused."""
        return self._set(even_when_paused=True)
