"""How fluent words are kept: what an entry of the timetable says itself, inside what its groups
say.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches
from inspect import iscoroutinefunction, signature
from typing import Any, NoReturn, Self

from forecourt.schedule.cron import parse_cron
from forecourt.schedule.elsewhere import ELSEWHERE
from forecourt.schedule.errors import TimetableError
from forecourt.schedule.rules import Rules


class Fluent:
    """The ground of every word: each returns the entry itself, and one that is refused leaves it as
    it was.
    """

    def __init__(self, own: Rules, outer: "Fluent | None" = None) -> None:
        self._own = own
        self._outer = outer
        self._merged: tuple[Rules, Rules, Rules] | None = None

    @property
    def rules(self) -> Rules:
        """What holds for this entry: its own words, inside those of the groups around it."""
        if self._outer is None:
            return self._own
        outer = self._outer.rules
        # Kept until one of the two changes: a round of the clock asks each task a dozen times.
        if self._merged is None or self._merged[0] is not self._own or self._merged[1] is not outer:
            self._merged = (self._own, outer, self._own.within(outer))
        return self._merged[2]

    def __getattr__(self, name: str) -> NoReturn:
        """Names of other schedulers are answered with ours: everyMinute is every_minute."""
        ours = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
        known = [word for word in dir(type(self)) if not word.startswith("_")]
        if advice := ELSEWHERE.get(ours):
            raise AttributeError(f"{type(self).__name__.lower()} has no word {name!r}: {advice}")
        near = [ours] if ours in known else get_close_matches(ours, known, n=2)
        hint = f"; there is {' or '.join(near)}" if near and not name.startswith("_") else ""
        raise AttributeError(f"{type(self).__name__.lower()} has no word {name!r}{hint}")

    def _title(self) -> str:
        """How a mistake names this entry."""
        return "the timetable"

    def _change(self, change: Callable[[Rules], Rules]) -> Self:
        before = self._own
        try:
            self._own = change(before)
            parse_cron(self.rules.recurrence.cron)
        except TimetableError as mistake:
            self._own = before
            raise self._named(mistake) from None
        return self

    def _set(self, **values: Any) -> Self:
        return self._change(lambda own: replace(own, **values))

    def _named(self, mistake: TimetableError) -> TimetableError:
        return TimetableError(*(f"{self._title()}: {line}" for line in mistake.mistakes))


def accepts(function: Callable[..., object], *args: object) -> bool:
    """Whether it can be called with these arguments. A builtin that does not say what it takes is
    called with none.
    """
    try:
        signature(function).bind(*args)
    except TypeError:
        return False
    except ValueError:
        return not args
    return True


def plain_function(word: str, given: Callable[..., object], takes: str = "") -> Callable[..., object]:
    """`given` itself. Raises TimetableError for what is no function, for coroutines, which nobody
    would await, and for what asks for other arguments than one that `takes` names, or none.
    """
    if not callable(given):
        raise TimetableError(f"{word}({given!r}): expected a function; pass it without calling it")
    if iscoroutinefunction(given):
        raise TimetableError(f"{word}({given.__name__}): expected a plain function, not a coroutine")
    if not accepts(given) and not (takes and accepts(given, takes)):
        name = getattr(given, "__qualname__", repr(given))
        expected = f"none, or one, the {takes}" if takes else "none"
        raise TimetableError(f"{word}({name}): it asks for the arguments {signature(given)}; expected {expected}")
    return given
