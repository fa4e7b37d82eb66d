"""Workers, and how long calls take on them."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from psycopg import Connection

from forecourt.store import activity, performance
from forecourt.store.activity import Worker
from forecourt.store.minutes import BOUNDS
from forecourt.store.performance import Timing
from forecourt.web.api.errors import NotFound
from forecourt.web.api.parameters import Id

Period: TypeAlias = Literal["1h", "6h", "24h", "7d"]


@dataclass(frozen=True, slots=True)
class Restarting:
    """How many workers will end in order, to be started again by whatever keeps them running."""

    workers: int


@dataclass(frozen=True, slots=True)
class Asked:
    """A worker of which something was asked. `changed`: False when it does so already, or is to
    stop.
    """

    worker: int
    changed: bool


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
    `silent`: seconds since its heartbeat; `memory`: bytes (PSS) of all its processes."""
    return activity.of_workers(tx)


def quiet(tx: Connection[Any], *, who: str, worker: Id) -> Asked:
    """Let one worker finish what it runs and claim nothing more. It stays until it is resumed, or
    stopped.
    """
    return _ask(tx, worker, "quiet", who)


def resume(tx: Connection[Any], *, who: str, worker: Id) -> Asked:
    """Let a quiet worker claim again."""
    return _ask(tx, worker, "resume", who)


def stop(tx: Connection[Any], *, who: str, worker: Id) -> Asked:
    """Let one worker end in order, as after SIGTERM. Whatever keeps it running starts another."""
    return _ask(tx, worker, "stop", who)


def _ask(tx: Connection[Any], worker: int, wish: Literal["quiet", "resume", "stop"], who: str) -> Asked:
    from forecourt.operations import fleet

    try:
        return Asked(worker, fleet.ask(tx, worker, wish, who=who))
    except fleet.NoSuchWorker as error:
        raise NotFound(str(error)) from None


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
