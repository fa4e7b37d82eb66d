"""How long to wait before the next attempt."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import SupportsFloat, TypeAlias

from forecourt.durations import LONGEST

Seconds: TypeAlias = float | timedelta


def is_whole(number: object) -> bool:
    """Whether it counts something: an integer, and not True or False, which Python takes for 1 and
    0.
    """
    return isinstance(number, int) and not isinstance(number, bool)


def seconds(value: Seconds, what: str = "a delay") -> float:
    """A duration in seconds. Raises ValueError, which says `what`, unless it is between 0 and a
    hundred years.
    """
    if isinstance(value, bool) or not isinstance(value, timedelta | SupportsFloat):
        raise ValueError(f"{what} must be a number of seconds or a timedelta, not {value!r}")
    number = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if number < 0:
        raise ValueError(f"{what} must not be negative, not {value!r}")
    if not number <= LONGEST:  # this way round it is true for NaN
        raise ValueError(f"{what} must be a number of seconds, at most {LONGEST:.0f}, not {value!r}")
    return number


@dataclass(frozen=True, slots=True)
class Steps:
    """One delay an attempt, in seconds; the last repeats."""

    delays: tuple[float, ...]

    def after(self, attempt: int) -> float:
        """The delay after the attempt with this number, counted from 1."""
        return self.delays[min(attempt, len(self.delays)) - 1]


@dataclass(frozen=True, slots=True)
class Exponential:
    """base · factor^(attempt - 1), at most `maximum`, then varied by ± `jitter` of itself so that
    retries spread out.
    """

    base: float
    factor: float
    maximum: float
    jitter: float

    def after(self, attempt: int) -> float:
        """The delay after the attempt with this number, counted from 1."""
        delay = min(self.base * self.factor ** min(attempt - 1, 64), self.maximum)
        return delay * (1 + self.jitter * (2 * random.random() - 1))  # noqa: S311 - spreads load, guards nothing


Backoff: TypeAlias = Steps | Exponential


def exponential(
    base: Seconds = 5, *, factor: float = 2, maximum: Seconds = timedelta(hours=1), jitter: float = 0.1
) -> Exponential:
    """A backoff that grows by `factor` from `base` to `maximum`, varied by ± `jitter` (a share, 0
    to 1).
    """
    if not 1 <= factor <= 1000:
        raise ValueError(f"backoff: factor must be between 1 and 1000, not {factor!r}")
    if not 0 <= jitter <= 1:
        raise ValueError(f"backoff: jitter is a share between 0 and 1, not {jitter!r}")
    return Exponential(seconds(base), factor, seconds(maximum), jitter)


def backoff(value: Seconds | Sequence[Seconds] | Backoff) -> Backoff:
    """A number, a list or `exponential(...)` as a Backoff. Raises ValueError for an empty list or a
    negative delay.
    """
    if isinstance(value, Steps | Exponential):
        return value
    if isinstance(value, int | float | timedelta):
        return Steps((seconds(value, "backoff"),))
    if not value:
        raise ValueError("backoff: an empty list says nothing; give at least one delay, or 0")
    return Steps(tuple(seconds(step, "backoff") for step in value))
