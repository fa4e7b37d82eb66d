"""A storm: load on a database while faults strike, and afterwards a count of what was lost and what was doubled."""

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import psycopg

from faults import rally
from faults.audit import Findings, audit
from faults.hosts import Host
from faults.load import Load
from fleet import wait_until

LONGEST_RECOVERY = 90.0
"""Seconds after which a fault counts as not survived."""

LIVE = "SELECT id FROM forecourt.ready UNION ALL SELECT id FROM forecourt.scheduled UNION ALL SELECT id FROM forecourt.running"


@dataclass(frozen=True, slots=True)
class Result:
    """What one kind of fault did in so many rounds under load. `slowest`: seconds from the strike until every call that was
    running at that moment was over. `broken`: what else was not as promised."""

    fault: str
    rounds: int
    calls: int
    lost: int
    doubled: int
    slowest: float
    broken: tuple[str, ...] = ()

    @property
    def survived(self) -> bool:
        """Whether every promise held."""
        return not (self.lost or self.doubled or self.broken)


class Storm:
    """Hosts that share a database. `fault_url` is where faults are ordered from; it may go around what they disturb."""

    def __init__(self, url: str, hosts: Sequence[Host], *, seed: int = 20261123) -> None:
        self.url = url
        self.hosts = list(hosts)
        self.chance = random.Random(seed)

    def prepare(self) -> None:
        """Make the tables in which calls leave their effects."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(rally.TABLES.encode())

    def start(self) -> None:
        """Start every program that does not run."""
        for host in self.hosts:
            host.start()

    def end(self) -> None:
        """Stop all programs in order."""
        for host in self.hosts:
            for program in host.programs:
                program.end()

    def ask(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Rows, on a connection of its own; waits for a database that is away."""

        def answer() -> list[list[tuple[Any, ...]]]:
            try:
                with psycopg.connect(
                    self.url, autocommit=True, application_name="storm", connect_timeout=3
                ) as connection:
                    return [connection.execute(query.encode(), parameters).fetchall()]
            except psycopg.OperationalError:
                return []

        return wait_until(answer, LONGEST_RECOVERY, "the database")[0]  # type: ignore[no-any-return]

    def endure(self, fault: "Fault", rounds: int = 1_000_000, *, seconds: float = math.inf) -> Result:
        """Let a fault strike so many times, or for so long, while the hosts are busy; then work off everything, and count."""
        prefix = f"{named(fault)} {time.monotonic_ns()}"
        [(begun,)] = self.ask("SELECT now()")
        until = time.monotonic() + seconds
        load = Load(self.url, prefix, self.chance.randrange(2**32))
        load.start()
        slowest, done = 0.0, 0
        broken: list[str] = []
        while done < rounds and time.monotonic() < until and not broken:
            self.start()
            try:
                slowest = max(slowest, self._round(fault))
            except AssertionError as error:
                broken.append(str(error))
            done += 1
        self.start()
        entered = load.stop()
        [(ended,)] = self.ask("SELECT now()")
        try:
            wait_until(lambda: not self._live(prefix), LONGEST_RECOVERY, f"all calls to end: {self._live(prefix)[:5]}")
            self._await_seconds(ended)
        except AssertionError as error:
            broken.append(str(error))
        found: Findings = audit(
            self.ask, entered, prefix, begun, ended if any(h.clock.alive() for h in self.hosts) else None
        )
        return Result(
            named(fault),
            done,
            len(entered.jobs),
            len(found.lost),
            len(found.doubled),
            slowest,
            (*broken, *found.broken),
        )

    def _round(self, fault: "Fault") -> float:
        held = wait_until(
            lambda: [row[0] for row in self.ask("SELECT id FROM forecourt.running")], what="calls that run"
        )
        time.sleep(self.chance.uniform(0, 0.2))
        held = [row[0] for row in self.ask("SELECT id FROM forecourt.running")] or held
        begun = time.monotonic()
        fault(self)
        wait_until(
            lambda: not self.ask(f"SELECT id FROM ({LIVE}) AS live (id) WHERE id = ANY (%s)", held),
            LONGEST_RECOVERY,
            f"the calls that ran when it struck: {held}",
        )
        return time.monotonic() - begun

    def _live(self, prefix: str) -> list[tuple[Any, ...]]:
        return self.ask(
            """
            SELECT 'ready', id, args FROM forecourt.ready WHERE args->>'call' LIKE %(calls)s
            UNION ALL SELECT 'scheduled', id, args FROM forecourt.scheduled WHERE args->>'call' LIKE %(calls)s
            UNION ALL SELECT 'running', id, args FROM forecourt.running WHERE args->>'call' LIKE %(calls)s
            """.replace("%(calls)s", "%s"),
            *[f"{prefix}%"] * 3,
        )

    def _await_seconds(self, ended: Any) -> None:
        """Until the clocks have seen every second before `ended`, and their calls are over."""
        if any(host.clock.alive() for host in self.hosts):
            seen = "SELECT 1 FROM forecourt.tasks WHERE evaluated_until > %s"
            wait_until(lambda: self.ask(seen, ended), what="the clocks")
            open_ones = "SELECT 1 FROM forecourt.ticks WHERE due_at < %s AND finished_at IS NULL"
            wait_until(lambda: not self.ask(open_ones, ended), what="the clocks' calls")


Fault: TypeAlias = Callable[[Storm], None]
"""Does its harm to a storm, and returns when the harm is over; who has died may still be dead then."""


def named(fault: Fault) -> str:
    """A fault in words."""
    return fault.__name__.replace("_", " ")


@contextmanager
def raging(storm: Storm) -> Iterator[Storm]:
    """A storm whose programs run, and are stopped at the end."""
    storm.prepare()
    try:
        storm.start()
        for host in storm.hosts:
            host.await_slots()
        yield storm
    finally:
        storm.end()
