"""`make faults`: a quarter of an hour of storms, and a table of what was lost, what was doubled,
and how long recovery took.

    PYTHONPATH=tests python -m faults [--rounds 200] [--minutes 15]

The exit code is 1 when anything was lost, doubled, or otherwise not as promised; the logs of that
storm are kept then.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from faults import kills, outages, skew
from faults.hosts import Host
from faults.networks import Cuts, NoNetworks, cables
from faults.outages import Outages
from faults.pooler import NoPooler, pgbouncer
from faults.site import site
from faults.storm import Fault, Result, Storm, named, raging
from faults.wire import wire

COLUMNS = "{:<42} {:>6} {:>7} {:>5} {:>8} {:>18}"


@dataclass(frozen=True, slots=True)
class Measure:
    """How much of everything: `rounds` of kill -9, and the others in proportion; `minutes` for all
    of it.
    """

    rounds: int
    minutes: float

    def of(self, rounds: int, seconds: float) -> tuple[int, float]:
        """The rounds and seconds of one fault that gets so many of 200, and so long of 15
        minutes.
        """
        return max(1, round(rounds * self.rounds / 200)), seconds * self.minutes / 15


Group: TypeAlias = Callable[[Path, Measure, ExitStack], Iterator[Result]]


def killed_and_frozen(folder: Path, measure: Measure, stack: ExitStack) -> Iterator[Result]:
    """On two hosts whose wall clocks are three seconds off, in either direction."""
    ground = stack.enter_context(site(folder / "site"))
    library = skew.library(folder)
    hosts = []
    for name, seconds in (("north", 3), ("south", -3)):
        environment = skew.Skew(library, folder / f"{name}.skew", seconds).environment if library else {}
        hosts.append(Host(name, folder / name, ground.url, environment=environment))
    storm = stack.enter_context(raging(Storm(ground.url, hosts)))
    for fault, rounds, seconds in (
        (kills.kill_9_of_a_slot, 50, 60),
        (kills.kill_9_of_a_fork_server, 30, 100),
        (kills.kill_9_of_a_supervisor, 50, 150),
        (kills.kill_9_of_a_clock, 30, 60),
        (kills.kill_9_of_all_at_once, 40, 190),
        (kills.sigstop_of_a_slot, 30, 30),
        (kills.sigstop_past_the_grace, 3, 60),
    ):
        yield _endured(storm, fault, measure.of(rounds, seconds))


def in_trouble(folder: Path, measure: Measure, stack: ExitStack) -> Iterator[Result]:
    """With PostgreSQL in trouble, and its horizon held."""
    ground = stack.enter_context(site(folder / "site", max_connections="40"))
    line = stack.enter_context(wire(ground.socket))
    hosts = [Host(name, folder / name, line.url) for name in ("north", "south")]
    storm = stack.enter_context(raging(Storm(ground.url, hosts)))
    for fault in Outages(ground, line).all:
        yield _endured(storm, fault, measure.of(8, 33))


def cut_off(folder: Path, measure: Measure, stack: ExitStack) -> Iterator[Result]:
    """In two networks."""
    laid = stack.enter_context(cables("north", "south"))
    networks = [f"{cable.there}/32" for cable in laid]
    addresses = ",".join(cable.here for cable in laid)
    ground = stack.enter_context(site(folder / "site", networks=networks, listen_addresses=addresses))
    hosts = [
        Host(cable.name, folder / cable.name, f"postgresql://forecourt@{cable.here}/forecourt", prefix=cable.prefix)
        for cable in laid
    ]
    storm = stack.enter_context(raging(Storm(ground.url, hosts, machines_lost=True)))
    yield _endured(storm, Cuts(laid).cut_off_and_healed, measure.of(3, 60))


def behind_a_pooler(folder: Path, measure: Measure, stack: ExitStack) -> Iterator[Result]:
    """Behind PgBouncer in transaction mode."""
    address = f"127.213.{os.getpid() // 250 % 250}.{os.getpid() % 250 + 1}"
    ground = stack.enter_context(site(folder / "site", networks=["127.0.0.0/8"], listen_addresses=address))
    url = stack.enter_context(pgbouncer(address))
    hosts = [Host(name, folder / name, url, environment={"FORECOURT_POOLED": "true"}) for name in ("north", "south")]
    storm = stack.enter_context(raging(Storm(ground.url, hosts)))
    faults = (*kills.KILLS, outages.every_connection_ended_again_and_again)
    rounds, seconds = measure.of(12, 50)
    yield storm.endure("behind PgBouncer: all of these", faults, rounds, seconds=seconds)


GROUPS: tuple[Group, ...] = (killed_and_frozen, in_trouble, cut_off, behind_a_pooler)


def _endured(storm: Storm, fault: Fault, measure: tuple[int, float]) -> Result:
    rounds, seconds = measure
    return storm.endure(named(fault), [fault], rounds, seconds=seconds)


def rage(folder: Path, measure: Measure) -> Iterable[Result]:
    """All storms, one after the other."""
    for group in GROUPS:
        with ExitStack() as stack:
            try:
                yield from group(folder / group.__name__, measure, stack)
            except (NoNetworks, NoPooler) as why:
                print(f"{group.__name__.replace('_', ' ')}: skipped, {why}")


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m faults", description="Storms over Forecourt, and what they cost.")
    parser.add_argument("--rounds", type=int, default=200, help="rounds of kill -9; the others in proportion  [200]")
    parser.add_argument("--minutes", type=float, default=15, help="how long all of it may take, about  [15]")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as Ctrl-C does: stop the storm's programs first
    for name in [name for name in os.environ if name.startswith("FORECOURT_")]:
        del os.environ[name]
    folder = Path(tempfile.mkdtemp(prefix="forecourt-storm-"))
    print(COLUMNS.format("fault", "rounds", "calls", "lost", "doubled", "slowest recovery"))
    survived = True
    for result in rage(folder, Measure(given.rounds, given.minutes)):
        slowest = f"{result.slowest:.1f} s"
        print(
            COLUMNS.format(result.fault, result.rounds, result.calls, result.lost, result.doubled, slowest), flush=True
        )
        for problem in result.broken:
            print(f"    {problem}")
        survived = survived and result.survived
    if survived:
        shutil.rmtree(folder)
        return 0
    print(f"Not everything was as promised. The logs are in {folder}.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
