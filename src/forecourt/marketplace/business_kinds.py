"""What a business setting may be: how each kind is read from what somebody typed, and written
again.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import time
from decimal import Decimal, InvalidOperation
from typing import Any

from forecourt.language import gettext, marked


@dataclass(frozen=True, slots=True)
class Kind:
    """`read` makes a value of a text and raises ValueError for one that will not do; `words` say
    what does, with these `limits`. `choices`: all that there is, where it can be listed.
    """

    words: str
    read: Callable[[str], Any]
    write: Callable[[Any], str] = str
    limits: Mapping[str, object] = field(default_factory=dict)
    choices: tuple[str, ...] = ()

    @property
    def expected(self) -> str:
        """What will do, in the reader's language."""
        return gettext(self.words, **self.limits)


def whole(least: int, most: int) -> Kind:
    """A whole number within these limits."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", text) or not least <= int(text) <= most:
            raise ValueError(text)
        return int(text)

    return Kind(marked("a whole number from %(least)s to %(most)s"), read, limits={"least": least, "most": most})


def decimal(least: str, most: str) -> Kind:
    """A number with up to two decimals, within these limits."""

    def read(text: str) -> Decimal:
        try:
            value = Decimal(text)
        except InvalidOperation:
            raise ValueError(text) from None
        if not value.is_finite() or not Decimal(least) <= value <= Decimal(most) or value != round(value, 2):
            raise ValueError(text)
        return value

    words = marked("a number from %(least)s to %(most)s with up to two decimals")
    return Kind(words, read, lambda value: f"{value.normalize():f}", {"least": least, "most": most})


def one_of(*words: str) -> Kind:
    """One of these words."""

    def read(text: str) -> str:
        if text not in words:
            raise ValueError(text)
        return text

    return Kind(marked("one of %(words)s"), read, limits={"words": ", ".join(words)}, choices=words)


def truth() -> Kind:
    """Yes or no."""

    def read(text: str) -> bool:
        answer: str = one_of("yes", "no").read(text)
        return answer == "yes"

    return Kind(marked("yes or no"), read, lambda value: "yes" if value else "no", choices=("yes", "no"))


def hours_or_none() -> Kind:
    """Two times of the day, or none."""

    def read(text: str) -> tuple[time, time] | None:
        if text == "none":
            return None
        begin, _, end = text.partition("-")
        hours = _clock(begin), _clock(end)
        if hours[0] == hours[1]:
            raise ValueError(text)
        return hours

    def write(hours: tuple[time, time] | None) -> str:
        return "none" if hours is None else f"{hours[0]:%H:%M}-{hours[1]:%H:%M}"

    return Kind(marked("two times of the day such as 22:00-08:00, or none"), read, write)


def time_of_day() -> Kind:
    """A time of the day."""
    return Kind(marked("a time of the day such as 08:00"), _clock, lambda value: f"{value:%H:%M}")


def widths() -> Kind:
    """Widths in pixels, the largest first."""

    def read(text: str) -> tuple[int, ...]:
        found = tuple(whole(16, 4096).read(part.strip()) for part in text.split(","))
        if not 1 <= len(found) <= 6 or len(set(found)) < len(found):
            raise ValueError(text)
        return tuple(sorted(found, reverse=True))

    return Kind(marked("one to six different widths from 16 to 4096, such as 1600,800,400"), read, _joined)


def names() -> Kind:
    """Parts of user agents, in lower case; none is an empty list."""

    def read(text: str) -> tuple[str, ...]:
        if text == "none":
            return ()
        found = tuple(part.strip().lower() for part in text.split(","))
        if len(found) > 100 or not all(3 <= len(part) <= 60 and part.isprintable() for part in found):
            raise ValueError(text)
        return found

    words = marked("up to 100 texts of 3 to 60 characters with commas between, or none")
    return Kind(words, read, lambda value: _joined(value) or "none")


def _clock(text: str) -> time:
    if not re.fullmatch(r"[0-2]?[0-9]:[0-5][0-9]", text.strip()):
        raise ValueError(text)
    hour, minute = text.strip().split(":")
    return time(int(hour), int(minute))


def _joined(values: tuple[Any, ...]) -> str:
    return ",".join(str(value) for value in values)
