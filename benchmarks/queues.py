"""One interface to every queue that is measured: this project's own, and each peer's."""

import random
import struct
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from benchmarks.worker import Workers

ROOT = Path(__file__).parents[1]

LISTINGS = 50
"""How many listings are counted in turn, so that no two workers wait for one row all the time."""


REST = 1.0
"""Seconds after which a worker is idle."""


class Begun(Protocol):
    """Something that begins what is sent to it, and says when."""

    name: str
    marks: Path

    def send_stamps(self, pauses: list[float]) -> None:
        """Enter a call that says how long it was under way, after each of these pauses."""

    def workers(self, processes: int) -> AbstractContextManager[Workers]:
        """So many worker processes for the duration of a block."""


class Queue(Begun, Protocol):
    """A queue that is up, with nothing in it. Its jobs are known by the same names everywhere:
    nothing, increment_views, stamp, and wait where a process runs a hundred at once."""

    def fill(self, job: str, count: int) -> None:
        """Enter so many calls, in the quickest way that the queue has."""

    def one_by_one(self, job: str, count: int) -> float:
        """Enter so many calls, each by itself. Returns calls a second."""


def drained(queue: Queue, job: str, count: int, processes: int) -> float:
    """Calls a second: fill the queue, start the workers, and look at the marks that the calls
    leave, from the first to the last.
    """
    queue.fill(job, count)
    with queue.workers(processes) as workers:
        workers.until(lambda: marked(queue) > 0, within=30)
        begun, first = time.perf_counter(), marked(queue)
        workers.until(lambda: marked(queue) >= count, within=120)
        seconds = time.perf_counter() - begun
    found = marked(queue)
    assert found == count, f"{queue.name}: {found} executions of {count} calls"
    return max(count - first, 1) / max(seconds, 1e-3)


def warmed(queue: Queue, workers: Workers, calls: int) -> None:
    """Wait until so many more calls are done, which takes every slot, and the workers have rested:
    nothing is left to be loaded.
    """
    already = marked(queue)
    queue.fill("nothing", calls)
    workers.until(lambda: marked(queue) >= already + calls, within=120, every=0.02)
    time.sleep(REST)


def delays(queue: Begun, count: int, processes: int) -> list[float]:
    """Milliseconds from before the dispatch to the first line of the function, one call at a time,
    by idle workers.
    """
    chance = random.Random(count)
    with queue.workers(processes) as workers:
        warm = 2 * processes
        queue.send_stamps([0.05] * warm)
        workers.until(lambda: marked(queue) >= 8 * warm, within=30)
        queue.send_stamps([chance.uniform(0.02, 0.06) for _ in range(count)])
        workers.until(lambda: marked(queue) >= 8 * (warm + count), within=30)
    stamps = queue.marks.read_bytes()[8 * warm :]
    return [nanoseconds / 1e6 for (nanoseconds,) in struct.iter_unpack("q", stamps)]


def marked(queue: Begun) -> int:
    """How many bytes its jobs have left."""
    return queue.marks.stat().st_size


def fresh_marks(folder: Path) -> Path:
    """An empty file in this folder."""
    marks = folder / "marks"
    marks.write_bytes(b"")
    return marks


def forecourt(*arguments: str) -> list[str]:
    """The command `forecourt` with these arguments, of the environment that this process runs
    in.
    """
    return [sys.executable, "-m", "forecourt", *arguments]
