"""What an option may be: one check for each kind of value. Each returns the value, or raises an
error that names the option, says what it expected and shows what was given.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, SupportsFloat, TypeAlias, TypeVar

from forecourt.durations import LONGEST
from forecourt.store.storable import storable

T = TypeVar("T")

Seconds: TypeAlias = float | timedelta

LONGEST_NAME = 200


def seconds(value: Seconds, what: str = "a delay") -> float:
    """A duration in seconds. Raises ValueError unless it is between 0 and a hundred years."""
    if isinstance(value, bool) or not isinstance(value, timedelta | SupportsFloat):
        raise ValueError(f"{what} must be a number of seconds or a timedelta, not {value!r}")
    length = value.total_seconds() if isinstance(value, timedelta) else _float(value)
    if length < 0:
        raise ValueError(f"{what} must not be negative, not {value!r}")
    if not length <= LONGEST:  # this way round it is true for NaN
        raise ValueError(f"{what} must be a number of seconds, at most {LONGEST:.0f}, not {value!r}")
    return length


def whole(value: Any, what: str, least: int, most: int, meaning: str = "") -> int:
    """A count. Raises ValueError also for True and False, which Python takes for 1 and 0."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{what}: expected a whole number from {least} to {most}{meaning}, not {value!r:.80}")
    return value


def number(value: Any, what: str, least: float, most: float) -> float:
    """A number that need not be whole. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError(f"{what}: expected a number from {least} to {most}, not {value!r:.80}")
    return value


def typable(value: Any, what: str, *, without: str = "") -> str:
    """A name that can be typed, read, and stand in the address of a page. Raises ValueError."""
    fits = isinstance(value, str) and 0 < len(value) <= LONGEST_NAME and value.isprintable() and value == value.strip()
    if not fits or value in (".", "..") or (without and without in value):
        but = f"no {without!r}, " if without else ""
        raise ValueError(
            f"{what}: {value!r:.80} is not a name: expected 1 to {LONGEST_NAME} printable characters, {but}no space around, and "
            "neither . nor .., which stand for folders in a page's address"
        )
    return str(value)


def words(value: Any, what: str) -> str:
    """What people read, as PostgreSQL can store it. Raises ValueError for what is no text."""
    if not isinstance(value, str):
        raise ValueError(f"{what}: expected words, not {value!r:.80}")
    return storable(value)


def names(value: Any, what: str) -> tuple[str, ...]:
    """Names, of which one may stand alone. Raises ValueError."""
    given = (value,) if isinstance(value, str) else value
    if not isinstance(given, Sequence) or not all(isinstance(one, str) for one in given):
        raise ValueError(f"{what}: expected a name, or a list of names, not {value!r:.80}")
    return tuple(given)


def all_of(values: Iterable[T], kinds: type | tuple[type, ...], what: str) -> tuple[T, ...]:
    """Values of these kinds; `what` says what was expected of whom. Raises TypeError, also for one
    that stands alone.
    """
    try:
        given = tuple(values)
    except TypeError:
        raise TypeError(f"{what}, in a list, not {values!r:.80}") from None
    for one in given:
        if not isinstance(one, kinds):
            raise TypeError(f"{what}, not {one!r:.80}")
    return given


def _float(value: SupportsFloat) -> float:
    try:
        return float(value)
    except OverflowError:  # an int of more digits than any float has
        return float("inf")
