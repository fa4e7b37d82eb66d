"""Workers, and how long calls take on them."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from psycopg import Connection

from forecourt.store import activity, performance
from forecourt.store.activity import Worker
from forecourt.store.minutes import BOUNDS
from forecourt.store.performance import Timing

Period: TypeAlias = Literal["1h", "6h", "24h", "7d"]


@dataclass(frozen=True, slots=True)
class Restarting:
    """How many workers will end in order, to be started again by whatever keeps them running."""

    workers: int


@dataclass(frozen=True, slots=True)
class Performance:
    """Timings by job, what took most time first. `bounds`: upper bounds in seconds; the last count
    is what is above them all.
    """

    period: Period
    bounds: list[float]
    jobs: list[Timing]


def workers(tx: Connection[Any]) -> list[Worker]:
    """Every worker that has not been given up, with what it runs, the longest running first.
    `silent`: seconds since its heartbeat."""
    return activity.of_workers(tx)


def restart(tx: Connection[Any], *, who: str) -> Restarting:
    """Ask every worker to finish what it runs and exit 0; its supervisor starts it again, with new
    code.
    """
    from forecourt.operations import fleet

    return Restarting(fleet.restart(tx, who=who))


def timings(tx: Connection[Any], *, period: Period = "1h") -> Performance:
    """How long each job's calls waited and ran."""
    jobs = performance.by_job(tx, performance.PERIODS[period])
    return Performance(period, [float(bound) for bound in BOUNDS], jobs)
