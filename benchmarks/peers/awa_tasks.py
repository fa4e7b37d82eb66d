"""Awa: its Rust core claims and completes in batches, its Python handlers are coroutines; done jobs
are kept, as by default.
"""

import asyncio
import os
import signal
import sys
from dataclasses import dataclass

import awa
import duties

PACKAGE = "awa-pg"
SETTINGS = "queue storage (its default), 256 jobs at a time and 2 claimers in each process, the best of those tried"


@dataclass
class Nothing:
    n: int


@dataclass
class IncrementViews:
    listing_id: int


@dataclass
class Stamp:
    sent_ns: int


# Its driver insists on a host in front of the slash, and then connects to the one that follows as
# ?host=.
DATABASE = os.environ["BENCHMARK_DATABASE"].replace("@/", "@localhost/")

QUEUE = {"name": "default", "max_workers": 256, "claimers": 2}
KINDS = {"nothing": Nothing, "increment_views": IncrementViews, "stamp": Stamp}
_client: awa.Client


def prepare() -> None:
    global _client
    _client = awa.Client(DATABASE)
    _client.migrate()
    _client.install_queue_storage()


def enqueue(job: str, argument: int) -> None:
    _client.insert(KINDS[job](argument))


def enqueue_many(job: str, arguments: list[int]) -> None:
    for start in range(0, len(arguments), 1000):
        _client.enqueue_many_copy([KINDS[job](argument) for argument in arguments[start : start + 1000]])


def worker_commands(processes: int) -> list[list[str]]:
    """A worker is a process; Awa has no command of its own that starts one."""
    return [[sys.executable, "awa_tasks.py"]] * processes


async def work() -> None:
    """A worker until it is told to stop."""
    client = awa.AsyncClient(DATABASE, max_connections=20)

    @client.task(Nothing)
    async def nothing(job: awa.Job) -> None:
        duties.nothing()

    @client.task(IncrementViews)
    async def increment_views(job: awa.Job) -> None:
        await duties.increment_views_async(job.args.listing_id)

    @client.task(Stamp)
    async def stamp(job: awa.Job) -> None:
        duties.stamp(job.args.sent_ns)

    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await client.start([QUEUE])
    await stopped.wait()
    await client.shutdown()
    await client.close()


if __name__ == "__main__":
    asyncio.run(work())
