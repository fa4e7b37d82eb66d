"""Which of a task's due times run, when some of them passed while no clock looked."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from forecourt.durations import duration
from forecourt.schedule.rules import ON_TIME, Misfire

MOST_AT_ONCE = 500
"""Due times of one task, tasks, and due times in all that one transaction of a clock handles."""

MOST_NOTED = 100
"""Missed due times that get a row of their own after one stop; the oldest of them tells how many
came before.
"""


@dataclass(frozen=True, slots=True)
class MisfireDecision:
    """What one evaluation found: due times to run, and those that were missed, each with the
    reason.
    """

    run: tuple[datetime, ...]
    missed: tuple[tuple[datetime, str], ...]


class Latest:
    """The latest of the missed due times, and how many came before them."""

    def __init__(self) -> None:
        self._kept: deque[datetime] = deque(maxlen=MOST_NOTED)
        self._seen = 0

    def append(self, instant: datetime) -> None:
        """One more, later than all before."""
        self._kept.append(instant)
        self._seen += 1

    def noted(self, why: str) -> tuple[tuple[datetime, str], ...]:
        """Each of them with the reason; the oldest says how many are not among them."""
        before = self._seen - len(self._kept)
        first = f"{why} (and {before} due times before it)" if before else why
        return tuple((instant, why if number else first) for number, instant in enumerate(self._kept))


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
    missed = Latest()
    for instant in due:
        if within is not None and now - instant > within:
            missed.append(instant)
        elif len(run) <= MOST_AT_ONCE:  # one more says where the next round goes on
            run.append(instant)
        else:
            break
    return MisfireDecision(tuple(run), missed.noted("" if within is None else f"more than {_words(within)} late"))


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
    missed = Latest()
    latest = None
    for instant in due:
        if latest is not None:
            missed.append(latest)
        latest = instant
    if latest is None:
        return MisfireDecision((), ())
    limit = limit_of(latest)
    if now - latest <= limit:
        return MisfireDecision((latest,), missed.noted(f"the run of {latest:%Y-%m-%d %H:%M:%S %Z} stands for it"))
    missed.append(latest)
    return MisfireDecision((), missed.noted(why.format(_words(limit))))


def _words(span: timedelta) -> str:
    return duration(span.total_seconds()).removesuffix(" 0 min").removesuffix(" 0 h")
