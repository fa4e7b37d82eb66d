"""Which of a task's due times run, when some of them passed while no clock looked."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from forecourt.durations import duration
from forecourt.schedule.rules import ON_TIME, Misfire

MOST_AT_ONCE = 500
"""Due times of one task, tasks, and due times in all that one transaction of a clock handles."""

MOST_NOTED = 100
"""Missed due times that get a row of their own after one stop; the oldest of them tells how many
came before.
"""


Numbered: TypeAlias = tuple[int, datetime]
"""A due time, and how many came before it."""


@dataclass(frozen=True, slots=True)
class MisfireDecision:
    """What one evaluation found: due times to run, and those that were missed, each with the
    reason.
    """

    run: tuple[datetime, ...]
    missed: tuple[tuple[datetime, str], ...]


def apply_misfire(
    due: Iterable[datetime], now: datetime, misfire: Misfire, next_due: Callable[[datetime], datetime]
) -> MisfireDecision:
    """Sort the due times of (last evaluated, now], ascending, by the task's rule for missed ones.
    `next_due`: the due time after one of them."""
    match misfire.kind:
        case "every":
            return _every(due, now, misfire.within)
        case "once":
            return _latest(due, now, lambda instant: _limit(instant, misfire, next_due), "more than {} late")
        case "skip":
            return _latest(due, now, lambda _: ON_TIME, "no clock ran when it was due")


def _every(due: Iterable[datetime], now: datetime, within: timedelta | None) -> MisfireDecision:
    run: list[datetime] = []
    missed: deque[Numbered] = deque(maxlen=MOST_NOTED)
    for number, instant in enumerate(due):
        if within is not None and now - instant > within:
            missed.append((number, instant))
        elif len(run) <= MOST_AT_ONCE:  # one more says where the next round goes on
            run.append(instant)
        else:
            break
    return MisfireDecision(tuple(run), _noted(missed, "" if within is None else f"more than {_words(within)} late"))


def late_until(instant: datetime, misfire: Misfire, next_due: Callable[[datetime], datetime]) -> datetime | None:
    """Until when a due time may still run; None: however late."""
    match misfire.kind:
        case "every":
            return None if misfire.within is None else instant + misfire.within
        case "once":
            return instant + _limit(instant, misfire, next_due)
        case "skip":
            return instant + ON_TIME


def _limit(instant: datetime, misfire: Misfire, next_due: Callable[[datetime], datetime]) -> timedelta:
    """By default, a due time may run while it is nearer than the next one. A minute task's counts
    as met anyway.
    """
    return misfire.within or max(ON_TIME, (next_due(instant) - instant) / 2)


def _latest(
    due: Iterable[datetime], now: datetime, limit_of: Callable[[datetime], timedelta], why: str
) -> MisfireDecision:
    # A task of each second has thirty million of them in a year: no line of Python looks at each.
    latest = deque(enumerate(due), maxlen=MOST_NOTED + 1)
    if not latest:
        return MisfireDecision((), ())
    _, instant = latest[-1]
    limit = limit_of(instant)
    if now - instant <= limit:
        latest.pop()
        return MisfireDecision((instant,), _noted(latest, f"the due time {instant:%Y-%m-%d %H:%M:%S %Z} stands for it"))
    return MisfireDecision((), _noted(list(latest)[-MOST_NOTED:], why.format(_words(limit))))


def _noted(missed: Sequence[Numbered], why: str) -> tuple[tuple[datetime, str], ...]:
    """Each with the reason; the oldest says how many came before it, which are not among them."""
    noted = [(instant, why) for _, instant in missed]
    if missed and missed[0][0]:
        noted[0] = (missed[0][1], f"{why} (and {missed[0][0]} due times before it)")
    return tuple(noted)


def _words(span: timedelta) -> str:
    return duration(span.total_seconds()).removesuffix(" 0 min").removesuffix(" 0 h")
