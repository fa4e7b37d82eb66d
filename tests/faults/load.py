"""The load of a storm: a backlog that is kept full, and the names of all the calls in it."""

import random
import threading
from dataclasses import dataclass, field

import psycopg

from faults import rally
from forecourt.jobs.job import Job

BACKLOG = 60
"""Calls that wait at any time: enough for every slot, few enough to be worked off in a second or
two.
"""

MIX: tuple[tuple[Job, int], ...] = (  # type: ignore[type-arg]
    (rally.take_effect, 40),
    (rally.take_effect_together, 30),
    (rally.drive, 14),
    (rally.stall, 15),
    (rally.crash, 1),
)
ONCE = (rally.take_effect.name, rally.take_effect_together.name)


@dataclass(slots=True)
class Entered:
    """The job of each call, by the call's name. `doubtful`: the connection broke during the commit,
    nobody told whether it was.
    """

    jobs: dict[str, str] = field(default_factory=dict)
    doubtful: set[str] = field(default_factory=set)


class Load(threading.Thread):
    """Dispatches calls named `prefix n` until it is stopped; an unreachable database only makes it
    wait.
    """

    def __init__(self, url: str, prefix: str, seed: int) -> None:
        super().__init__(name=f"load {prefix}", daemon=True)
        self._url = url
        self.prefix = prefix
        self._chance = random.Random(seed)
        self._stop_asked = threading.Event()
        self.entered = Entered()

    def run(self) -> None:
        while not self._stop_asked.is_set():
            try:
                with psycopg.connect(self._url, application_name="load", connect_timeout=3) as connection:
                    while not self._stop_asked.wait(0.05):
                        self._fill(connection)
            except psycopg.OperationalError:
                self._stop_asked.wait(0.1)

    def stop(self) -> Entered:
        """Enter no more, and return what was entered."""
        self._stop_asked.set()
        self.join()
        return self.entered

    def _fill(self, connection: psycopg.Connection[tuple[int]]) -> None:
        [(waiting,)] = connection.execute("SELECT count(*) FROM forecourt.ready").fetchall()
        if waiting < BACKLOG:
            [job] = self._chance.choices([job for job, _ in MIX], [weight for _, weight in MIX])
            first = len(self.entered.jobs)
            many = 1 if job is rally.crash else 20
            names = {f"{self.prefix} {number}": job.name for number in range(first, first + many)}
            # Known before the commit, whose answer may not come.
            self.entered.jobs |= names
            self.entered.doubtful |= names.keys()
            job.using(session=connection).dispatch_many([{"call": name} for name in names])
            connection.commit()
            self.entered.doubtful -= names.keys()
        else:
            connection.rollback()
