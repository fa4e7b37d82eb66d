"""Which of a task's due times run, when some of them passed while no clock looked."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from forecourt.schedule.rules import Misfire

ON_TIME = timedelta(seconds=90)
"""How late a due time still counts as met: a crontab's minute, and half of one for a machine under load."""

MOST_NOTED = 100
"""Missed due times that get a row of their own after one stop; the oldest of them tells how many came before."""


@dataclass(frozen=True, slots=True)
class Dues:
    """What one evaluation found: due times to run, and those that were missed, each with the reason."""

    run: tuple[datetime, ...]
    missed: tuple[tuple[datetime, str], ...]


def sort_out(due: Iterable[datetime], now: datetime, misfire: Misfire) -> Dues:
    """Sort the due times of (last evaluated, now], ascending, by the task's rule for missed ones."""
    match misfire.kind:
        case "every":
            return _every(due, now, misfire.within)
        case "once":
            limit = max(misfire.within or ON_TIME, ON_TIME)
            return _latest(due, now, limit, f"more than {_words(limit)} late")
        case "skip":
            return _latest(due, now, ON_TIME, "no clock ran when it was due")


def _every(due: Iterable[datetime], now: datetime, within: timedelta | None) -> Dues:
    run: list[datetime] = []
    missed: deque[datetime] = deque(maxlen=MOST_NOTED)
    for instant in due:
        if within is None or now - instant <= max(within, ON_TIME):
            run.append(instant)
        else:
            missed.append(instant)
    return Dues(tuple(run), tuple((instant, f"more than {_words(within)} late") for instant in missed if within))


def _latest(due: Iterable[datetime], now: datetime, limit: timedelta, why: str) -> Dues:
    kept: deque[datetime] = deque(maxlen=MOST_NOTED + 1)
    seen = 0
    for instant in due:
        kept.append(instant)
        seen += 1
    if not kept:
        return Dues((), ())
    latest = kept[-1]
    runs = now - latest <= limit
    missed = [
        (instant, f"missed; the run of {latest:%Y-%m-%d %H:%M:%S %Z} stands for it" if runs else why)
        for instant in kept
    ]
    if runs:
        missed.pop()
    dropped = seen - len(kept)
    if dropped and missed:
        missed[0] = (missed[0][0], f"{missed[0][1]} (and {dropped} due times before it)")
    return Dues((latest,) if runs else (), tuple(missed))


def _words(span: timedelta) -> str:
    hours, seconds = divmod(int(span.total_seconds()), 3600)
    return f"{hours} h" if not seconds else f"{int(span.total_seconds())} s"
