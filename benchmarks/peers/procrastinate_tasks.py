"""Procrastinate: worker processes that listen for notifications, done jobs deleted."""

import asyncio
import os
import sys

import duties
from procrastinate import App, PsycopgConnector

PACKAGE = "procrastinate"
SETTINGS = "concurrency 10 in each process, LISTEN on, done jobs deleted"

app = App(connector=PsycopgConnector(conninfo=os.environ["BENCHMARK_DATABASE"]))


@app.task
async def nothing(n: int) -> None:
    duties.nothing()


@app.task
async def increment_views(listing_id: int) -> None:
    await duties.increment_views_async(listing_id)


@app.task
async def stamp(sent_ns: int) -> None:
    duties.stamp(sent_ns)


TASKS = {"nothing": nothing, "increment_views": increment_views, "stamp": stamp}
NAMES = {"nothing": "n", "increment_views": "listing_id", "stamp": "sent_ns"}
_loop = asyncio.new_event_loop()


def prepare() -> None:
    async def install() -> None:
        await app.open_async()
        await app.schema_manager.apply_schema_async()

    _loop.run_until_complete(install())


def enqueue(job: str, argument: int) -> None:
    _loop.run_until_complete(TASKS[job].defer_async(**{NAMES[job]: argument}))


def enqueue_many(job: str, arguments: list[int]) -> None:
    calls = [{NAMES[job]: argument} for argument in arguments]
    _loop.run_until_complete(TASKS[job].batch_defer_async(*calls))


def worker_commands(processes: int) -> list[list[str]]:
    """A worker is a process."""
    options = ["--concurrency", "10", "--delete-jobs", "successful"]
    return [[sys.executable, "-m", "procrastinate", "--app", "procrastinate_tasks.app", "worker", *options]] * processes
