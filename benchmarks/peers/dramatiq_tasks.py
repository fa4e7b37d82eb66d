"""Dramatiq on Redis: its default middleware and its default number of threads."""

import os
import sys

import dramatiq
import duties
from dramatiq.brokers.redis import RedisBroker

PACKAGE = "dramatiq"
SETTINGS = "8 threads a process and the default middleware"

dramatiq.set_broker(RedisBroker(url=os.environ["BENCHMARK_VALKEY"]))


@dramatiq.actor
def nothing(n: int) -> None:
    duties.nothing()


@dramatiq.actor
def increment_views(listing_id: int) -> None:
    duties.increment_views(listing_id)


@dramatiq.actor
def stamp(sent_ns: int) -> None:
    duties.stamp(sent_ns)


ACTORS = {"nothing": nothing, "increment_views": increment_views, "stamp": stamp}


def prepare() -> None:
    """Redis needs no schema."""


def enqueue(job: str, argument: int) -> None:
    ACTORS[job].send(argument)


def enqueue_many(job: str, arguments: list[int]) -> None:
    for argument in arguments:
        ACTORS[job].send(argument)


def worker_commands(processes: int) -> list[list[str]]:
    """One master with so many children."""
    return [[sys.executable, "-m", "dramatiq", "dramatiq_tasks", "--processes", str(processes), "--path", "."]]
