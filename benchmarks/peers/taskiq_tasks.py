"""Taskiq on Redis streams, whose messages are acknowledged; jobs are coroutines on uvloop."""

import asyncio
import os
import sys

import duties
from taskiq_redis import RedisStreamBroker

PACKAGE = "taskiq"
SETTINGS = "RedisStreamBroker (acknowledged), coroutines on uvloop, 100 at a time in each process, no results"

# From the stream's beginning: by its default a group sees only what is sent after the first worker
# came.
broker = RedisStreamBroker(os.environ["BENCHMARK_VALKEY"], consumer_id="0")


@broker.task
async def nothing(n: int) -> None:
    duties.nothing()


@broker.task
async def increment_views(listing_id: int) -> None:
    await duties.increment_views_async(listing_id)


@broker.task
async def stamp(sent_ns: int) -> None:
    duties.stamp(sent_ns)


@broker.task
async def wait(n: int) -> None:
    await duties.wait_async()


TASKS = {"nothing": nothing, "increment_views": increment_views, "stamp": stamp, "wait": wait}
_loop = asyncio.new_event_loop()


def prepare() -> None:
    _loop.run_until_complete(broker.startup())


def enqueue(job: str, argument: int) -> None:
    _loop.run_until_complete(TASKS[job].kiq(argument))


def enqueue_many(job: str, arguments: list[int]) -> None:
    async def send() -> None:
        for start in range(0, len(arguments), 100):
            await asyncio.gather(*(TASKS[job].kiq(argument) for argument in arguments[start : start + 100]))

    _loop.run_until_complete(send())


def worker_commands(processes: int) -> list[list[str]]:
    """One master with so many children."""
    options = ["--workers", str(processes), "--log-level", "WARNING"]
    return [[sys.executable, "-m", "taskiq", "worker", "taskiq_tasks:broker", *options]]
