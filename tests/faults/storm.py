"""A storm: load on a database while faults strike, and afterwards a count of what was lost and what
was doubled.
"""

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import psycopg

from faults import rally
from faults.audit import audit
from faults.hosts import Host
from faults.load import Load
from fleet import wait_until

LONGEST_RECOVERY = 45.0
"""Seconds after which a fault counts as not survived."""

RUNNING = "SELECT r.id, w.pid FROM forecourt.running AS r JOIN forecourt.workers AS w ON w.id = r.worker"

LIVE = """
SELECT state, args
FROM (SELECT 'ready', id, args FROM forecourt.ready
      UNION ALL SELECT 'scheduled', id, args FROM forecourt.scheduled
      UNION ALL SELECT 'running', id, args FROM forecourt.running) AS live (state, id, args)
WHERE id = ANY (%s) OR args->>'call' LIKE %s
"""

AGE_ITS_BEAT = (
    "UPDATE forecourt.workers SET beat_at = now() - interval '1 minute' WHERE host = %s AND pid = %s RETURNING id"
)
IS_LISTED = "SELECT 1 FROM forecourt.workers WHERE host = %s AND pid = %s AND id = %s"
ITS_ID = "SELECT id FROM forecourt.workers WHERE host = %s AND pid = %s"


@dataclass(frozen=True, slots=True)
class Result:
    """What faults did in so many rounds under load. `slowest`: seconds from a strike until every
    call that was running at that moment was over, the fault's own time included. `broken`: what
    else was not as promised."""

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
    """Hosts that share a database. `url` is the storm's own way to it, which faults leave alone.
    `hurried`: where a fault would have to wait until a worker has been silent for long, it makes
    the last beat older instead. `machines_lost`: faults take machines away, and what only they
    know."""

    def __init__(
        self,
        url: str,
        hosts: Sequence[Host],
        *,
        seed: int = 20261123,
        hurried: bool = False,
        machines_lost: bool = False,
    ) -> None:
        self.url = url
        self.hosts = list(hosts)
        self.chance = random.Random(seed)
        self.hurried = hurried
        self.machines_lost = machines_lost

    def start(self) -> None:
        """Start every program that does not run."""
        for host in self.hosts:
            host.start()

    def ask(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Rows, on a connection of its own; waits for a database that is away."""

        def answer() -> list[list[tuple[Any, ...]]]:
            try:
                with psycopg.connect(self.url, autocommit=True, application_name="storm") as connection:
                    return [connection.execute(query.encode(), parameters).fetchall()]
            except psycopg.OperationalError:
                return []

        rows: list[tuple[Any, ...]] = wait_until(answer, LONGEST_RECOVERY, "the database")[0]
        return rows

    def endure(
        self, name: str, faults: "Sequence[Fault]", rounds: int = 1_000_000, *, seconds: float = math.inf
    ) -> Result:
        """Let faults strike in turn, so many times or for so long, while all are busy; then work
        off everything, and count.
        """
        [(begun,)] = self.ask("SELECT now()")
        load = Load(self.url, f"{name} {time.monotonic_ns()}", self.chance.randrange(2**32))
        load.start()
        until = time.monotonic() + seconds
        slowest, done = 0.0, 0
        broken: list[str] = []
        while done < rounds and time.monotonic() < until and not broken:
            broken += self._deserters()
            self.start()
            fault = faults[done % len(faults)]
            try:
                slowest = max(slowest, self._round(fault))
            except AssertionError as error:
                broken.append(f"{named(fault)}: {error}")
            done += 1
        entered = load.stop()
        broken += self._deserters()
        self.start()
        [(ended,)] = self.ask("SELECT now()")
        broken += self._settle(load.prefix, ended)
        found = audit(self.ask, entered, load.prefix, begun, ended, machines_lost=self.machines_lost)
        problems = (*broken, *found.broken)
        return Result(name, done, len(entered.jobs), len(found.lost), len(found.doubled), slowest, problems)

    def await_given_up(self, host: Host) -> None:
        """Until the others have given a host's worker up."""
        [(worker,)] = self.ask(ITS_ID, host.hostname, host.worker.pid)
        if self.hurried:
            self.ask(AGE_ITS_BEAT, host.hostname, host.worker.pid)
        is_listed = (IS_LISTED, host.hostname, host.worker.pid, worker)
        wait_until(lambda: not self.ask(*is_listed), what=f"{host.name} to be given up")

    def _round(self, fault: "Fault") -> float:
        time.sleep(self.chance.uniform(0, 0.2))
        victim, held = wait_until(self._busy_host, LONGEST_RECOVERY, "calls that run")
        struck = time.monotonic()
        fault(self, victim)
        wait_until(lambda: not self.ask(LIVE, held, ""), LONGEST_RECOVERY, f"the calls that ran when it struck: {held}")
        return time.monotonic() - struck

    def _busy_host(self) -> tuple[Host, list[int]] | None:
        """A host that has calls at this moment, and all calls that run; None while there is
        none.
        """
        held = self.ask(RUNNING)
        busy = [host for host in self.hosts if host.worker.alive() and host.worker.pid in {pid for _, pid in held}]
        return (self.chance.choice(busy), [id for id, _ in held]) if busy else None

    def _deserters(self) -> list[str]:
        """Programs that ended although nobody had killed them, in words."""
        return [
            f"{host.name}: a {what} ended by itself with {code}: {program.said()[-2000:]}"
            for host in self.hosts
            for what, program in (("worker", host.worker), ("clock", host.clock))
            if (code := program.ended_by_itself()) is not None
        ]

    def _settle(self, prefix: str, ended: datetime) -> list[str]:
        """Wait until all calls are over, and the clocks have seen every second until `ended`.
        Returns what never happened.
        """
        try:
            wait_until(lambda: not self.ask(LIVE, [], f"{prefix}%"), LONGEST_RECOVERY)
        except AssertionError as error:
            return [f"{error}: {self.ask(LIVE, [], f'{prefix}%')[:5]}"]
        try:
            wait_until(lambda: self.ask("SELECT 1 FROM forecourt.tasks WHERE evaluated_until > %s", ended))
            unfinished = "SELECT 1 FROM forecourt.ticks WHERE due_at < %s AND finished_at IS NULL"
            wait_until(lambda: not self.ask(unfinished, ended))
        except AssertionError as error:
            return [f"the clocks: {error}"]
        return []


Fault: TypeAlias = Callable[[Storm, Host], None]
"""A function that does its harm, if it needs a victim to a host that is busy, and returns when the
harm is over; who has died may still be dead then."""


def named(fault: Fault) -> str:
    """A fault in words."""
    return fault.__name__.replace("_", " ").replace("kill 9", "kill -9")


@contextmanager
def raging(storm: Storm) -> Iterator[Storm]:
    """A storm whose programs run, and are stopped at the end."""
    with psycopg.connect(storm.url, autocommit=True) as connection:
        connection.execute(rally.TABLES.encode())
    try:
        storm.start()
        for host in storm.hosts:
            host.await_slots()
        yield storm
    finally:
        for host in storm.hosts:
            for program in host.programs:
                program.end()
