"""Fills a peer's queue: `python producer.py MODULE` reads one order a line, as JSON, and answers
each with a line.

It stays up while its peer is measured, so that what is timed here is the dispatch and not the start
of Python.
"""

import json
import os
import sys
import time
from importlib import import_module
from importlib.metadata import version
from typing import Any


def main() -> None:
    """Serve orders until the standard input is closed."""
    answers = sys.stdout
    sys.stdout = sys.stderr  # what a library prints is no answer
    peer = import_module(sys.argv[1])
    for line in sys.stdin:
        order = json.loads(line)
        print(json.dumps(ORDERS[order.pop("do")](peer, **order)), file=answers, flush=True)


def prepare(peer: Any) -> dict[str, str]:
    """Make what the queue needs in its database, if anything. Answers with the version and the
    settings, in words.
    """
    peer.prepare()
    return {"settings": f"{version(peer.PACKAGE)}, {peer.SETTINGS}"}


def commands(peer: Any, processes: int) -> list[list[str]]:
    """The commands that start so many worker processes."""
    found: list[list[str]] = peer.worker_commands(processes)
    return found


def fill(peer: Any, job: str, count: int) -> None:
    """Enter so many jobs in the quickest way that the peer has."""
    peer.enqueue_many(job, [argument(job, n) for n in range(count)])


def one_by_one(peer: Any, job: str, count: int) -> float:
    """Enter so many jobs, each by itself. Answers with the seconds that it took."""
    peer.enqueue(job, argument(job, 0))
    begun = time.perf_counter()
    for n in range(count):
        peer.enqueue(job, argument(job, n))
    return time.perf_counter() - begun


def stamps(peer: Any, pauses: list[float]) -> None:
    """Enter a job that says how long it was under way, after each of these pauses (seconds)."""
    for pause in pauses:
        time.sleep(pause)
        peer.enqueue("stamp", time.monotonic_ns())


def argument(job: str, n: int) -> int:
    """Each job has one: the listings are counted in turn."""
    return 1 + n % int(os.environ["BENCHMARK_LISTINGS"]) if job == "increment_views" else n


ORDERS = {"prepare": prepare, "commands": commands, "fill": fill, "one_by_one": one_by_one, "stamps": stamps}

if __name__ == "__main__":
    main()
