"""This project's queue as one of those that are measured."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import jobs
from benchmarks.ground import Ground
from benchmarks.queues import LISTINGS, ROOT, forecourt, fresh_marks
from benchmarks.worker import Workers, working
from forecourt import Job

AT_ONCE = 10_000
"""Calls in one dispatch_many."""

JOBS: dict[str, tuple[Job[..., Any], str]] = {
    "nothing": (jobs.nothing, "n"),
    "increment_views": (jobs.increment_views_count, "listing_id"),
    "update": (jobs.update, "listing_id"),
    "update_together": (jobs.update_together, "listing_id"),
    "update_by_connection": (jobs.update_by_connection, "listing_id"),
    "update_by_connection_together": (jobs.update_by_connection_together, "listing_id"),
    "stamp": (jobs.stamp, "sent_ns"),
    "wait": (jobs.wait, "n"),
    "wait_in_threads": (jobs.wait_in_threads, "n"),
    "wait_async": (jobs.wait_async, "n"),
}

LISTINGS_MADE = """
WITH owner AS (
    INSERT INTO users (name, email)
    VALUES ('Owner', 'owner@example.com')
    RETURNING id
)
INSERT INTO car_listings (id, owner_id, title, slug)
SELECT n, owner.id, 'Kia Rio ' || n, 'kia-rio-' || n
FROM owner, generate_series(1, %s) AS n
"""

BEGUN = "SELECT EXISTS (SELECT FROM forecourt.running) OR EXISTS (SELECT FROM forecourt.done)"

# That every call ended well, once; and when the last of them was durable.
ENDED = """
SELECT count(*), extract(epoch FROM max(finished_at))::float8
FROM forecourt.done
WHERE outcome = 'finished'
"""


class Ourselves:
    """The queue on a database of its own, up and empty."""

    name = "Forecourt"

    def __init__(self, url: str, folder: Path, listings: int) -> None:
        self.url = url
        self.listings = listings
        self.marks = fresh_marks(folder)
        self._log = folder / "worker.log"

    def fill(self, job: str, count: int) -> None:
        """In transactions of ten thousand calls."""
        entered, argument = JOBS[job]
        for start in range(0, count, AT_ONCE):
            numbers = range(start, min(start + AT_ONCE, count))
            entered.dispatch_many({argument: self._value(argument, n)} for n in numbers)

    def one_by_one(self, job: str, count: int) -> float:
        """Calls a second, each in a transaction of its own."""
        entered, argument = JOBS[job]
        entered.dispatch(**{argument: self._value(argument, 0)})
        begun = time.perf_counter()
        for n in range(count):
            entered.dispatch(**{argument: self._value(argument, n)})
        return count / (time.perf_counter() - begun)

    def send_stamps(self, pauses: list[float]) -> None:
        """Calls that say how long they were under way."""
        for pause in pauses:
            time.sleep(pause)
            jobs.stamp.dispatch(sent_ns=time.monotonic_ns())

    @contextmanager
    def workers(self, processes: int, *options: str, workers: int = 1) -> Iterator[Workers]:
        """One worker with so many slots, or several of them."""
        command = forecourt("queue", "work", "--queue", "default,medium", "--processes", str(processes), *options)
        env = os.environ | {
            "BENCHMARK_MARKS": str(self.marks),
            "FORECOURT_APP": "benchmarks.jobs:app",
            "FORECOURT_DATABASE_URL": self.url,
            "PYTHONPATH": str(ROOT),
        }
        with working([command] * workers, env=env, cwd=ROOT, log=self._log) as started:
            yield started

    def drained(self, job: str, count: int, processes: int, *, workers: int = 1) -> float:
        """Calls a second: fill, and `worked_off`. Raises unless each call ended well, once."""
        self.fill(job, count)
        done, seconds = self.worked_off(processes, "--stop-when-empty", workers=workers)
        assert done == count, f"{done} of {count} calls are done"
        return count / seconds

    def worked_off(self, processes: int, *options: str, workers: int = 1, within: float = 180) -> tuple[int, float]:
        """How many calls ended well under workers that end by themselves, and in how many seconds:
        from the first claim, which is before the first execution, until the last call's row is in
        done."""
        with psycopg.connect(self.url, autocommit=True) as looking:
            looking.execute("TRUNCATE forecourt.done")
            looking.execute("CHECKPOINT")
            with self.workers(processes, *options, workers=workers) as started:
                started.until(lambda: bool(looking.execute(BEGUN).fetchall()[0][0]), within=30)
                begun = time.time()
                started.to_their_end(within=within)
            done, ended = looking.execute(ENDED).fetchall()[0]
        assert done, f"nothing is done: {started.last_words()}"
        return done, max(ended - begun, 1e-3)

    def views(self) -> int:
        """How many views were counted."""
        with psycopg.connect(self.url) as connection:
            return int(connection.execute("SELECT sum(views_count) FROM car_listings").fetchall()[0][0])

    def _value(self, argument: str, n: int) -> int:
        return 1 + n % self.listings if argument == "listing_id" else n


@contextmanager
def ourselves(ground: Ground, *, listings: int = LISTINGS) -> Iterator[Ourselves]:
    """The queue on a fresh database with so many listings, which this process dispatches to
    meanwhile.
    """
    with ground.fresh() as url, tempfile.TemporaryDirectory(dir=ground.folder) as folder:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(LISTINGS_MADE, (listings,))
        yield Ourselves(url, Path(folder), listings)
