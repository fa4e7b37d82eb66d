"""Celery on Redis: the prefork pool that it recommends for production, and early acknowledgement,
its default.
"""

import os
import sys

import duties
from celery import Celery

PACKAGE = "celery"
SETTINGS = (
    "prefork, prefetch multiplier 64 as it advises for short jobs, results ignored, without gossip, mingle and events"
)

app = Celery("celery_tasks", broker=os.environ["BENCHMARK_VALKEY"])
app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=64)


@app.task
def nothing(n: int) -> None:
    duties.nothing()


@app.task
def increment_views(listing_id: int) -> None:
    duties.increment_views(listing_id)


@app.task
def stamp(sent_ns: int) -> None:
    duties.stamp(sent_ns)


TASKS = {"nothing": nothing, "increment_views": increment_views, "stamp": stamp}


def prepare() -> None:
    """Redis needs no schema."""


def enqueue(job: str, argument: int) -> None:
    TASKS[job].delay(argument)


def enqueue_many(job: str, arguments: list[int]) -> None:
    with app.producer_pool.acquire(block=True) as producer:
        for argument in arguments:
            TASKS[job].apply_async((argument,), producer=producer)


def worker_commands(processes: int) -> list[list[str]]:
    """One master with so many children."""
    options = ["--pool=prefork", f"--concurrency={processes}", "--loglevel=WARNING"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    return [[sys.executable, "-m", "celery", "-A", "celery_tasks", "worker", *options, *quiet]]
