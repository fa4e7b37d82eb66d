"""How long to wait before the next attempt."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from forecourt.jobs.option_values import Seconds, number, seconds


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
    return Exponential(
        seconds(base, "backoff: base"),
        number(factor, "backoff: factor", 1, 1000),
        seconds(maximum, "backoff: maximum"),
        number(jitter, "backoff: jitter", 0, 1),
    )


def backoff(value: Seconds | Sequence[Seconds] | Backoff) -> Backoff:
    """A number, a list or `exponential(...)` as a Backoff. Raises ValueError for an empty list or a
    negative delay.
    """
    if isinstance(value, Steps | Exponential):
        return value
    steps = value if isinstance(value, list | tuple | range) else (value,)
    if not steps:
        raise ValueError("backoff: an empty list says nothing; give at least one delay, or 0")
    return Steps(tuple(seconds(step, "backoff") for step in steps))
