"""Huey on Redis with process workers; results are not stored."""

import os
import sys

import duties
from huey import RedisHuey

PACKAGE = "huey"
SETTINGS = "process workers, blocking pop, no results; a job is lost when its worker dies (at most once)"

huey = RedisHuey("tasks", url=os.environ["BENCHMARK_VALKEY"], results=False)


@huey.task()
def nothing(n: int) -> None:
    duties.nothing()


@huey.task()
def increment_views(listing_id: int) -> None:
    duties.increment_views(listing_id)


@huey.task()
def stamp(sent_ns: int) -> None:
    duties.stamp(sent_ns)


TASKS = {"nothing": nothing, "increment_views": increment_views, "stamp": stamp}


def prepare() -> None:
    """Redis needs no schema."""


def enqueue(job: str, argument: int) -> None:
    TASKS[job](argument)


def enqueue_many(job: str, arguments: list[int]) -> None:
    for argument in arguments:
        TASKS[job](argument)


def worker_commands(processes: int) -> list[list[str]]:
    """One consumer with so many children, without periodic tasks."""
    options = ["--workers", str(processes), "--worker-type", "process", "--no-periodic", "--quiet"]
    return [[sys.executable, "-m", "huey.bin.huey_consumer", "huey_tasks.huey", *options]]
