"""PgQueuer on an asyncpg pool, its quickest driver, with uvloop."""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import duties
from pgqueuer import PgQueuer
from pgqueuer.adapters.cli import supervisor
from pgqueuer.db import AsyncpgPoolDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries

PACKAGE = "pgqueuer"
BATCH = 100
SETTINGS = (
    f"asyncpg pool, uvloop, batches of {BATCH} as it advises for short jobs (its default is 10), pgq autovac applied"
)

_loop = asyncio.new_event_loop()
_queries: Queries


@asynccontextmanager
async def main() -> AsyncIterator[PgQueuer]:
    """What `pgq run` starts."""
    async with asyncpg.create_pool(os.environ["BENCHMARK_DATABASE"], min_size=2, max_size=10) as pool:
        queue = PgQueuer.from_asyncpg_pool(pool)

        @queue.entrypoint("nothing")
        async def nothing(job: Job) -> None:
            duties.nothing()

        @queue.entrypoint("increment_views")
        async def increment_views(job: Job) -> None:
            await duties.increment_views_async(int(job.payload or b""))

        @queue.entrypoint("wait", concurrency_limit=100)
        async def wait(job: Job) -> None:
            await duties.wait_async()

        @queue.entrypoint("stamp")
        async def stamp(job: Job) -> None:
            duties.stamp(int(job.payload or b""))

        yield queue


def prepare() -> None:
    async def install() -> Queries:
        pool = await asyncpg.create_pool(os.environ["BENCHMARK_DATABASE"], min_size=1, max_size=1)
        queries = Queries(AsyncpgPoolDriver(pool))
        await queries.install()
        await queries.optimize_autovacuum()
        return queries

    global _queries
    _queries = _loop.run_until_complete(install())


def enqueue(job: str, argument: int) -> None:
    _loop.run_until_complete(_queries.enqueue(job, str(argument).encode()))


def enqueue_many(job: str, arguments: list[int]) -> None:
    payloads = [str(argument).encode() for argument in arguments]
    entering = _queries.enqueue([job] * len(payloads), payloads, [0] * len(payloads))
    _loop.run_until_complete(entering)


def worker_commands(processes: int) -> list[list[str]]:
    """A worker is a process. (`pgq run` of this release does not get along with the current
    typer.)
    """
    return [[sys.executable, "pgqueuer_tasks.py"]] * processes


if __name__ == "__main__":
    import uvloop

    logging.basicConfig(level=logging.WARNING)
    uvloop.run(supervisor.run(main, batch_size=BATCH))
