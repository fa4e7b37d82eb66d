"""RQ: a worker script that loads the jobs' modules before it forks for each job, as its
documentation advises.
"""

import os
import sys

import duties
from redis import Redis
from rq import Queue, Worker

PACKAGE = "rq"
SETTINGS = "its default Worker, which forks for each job; results kept 0 s, job descriptions not logged"

_queue = Queue("default", connection=Redis.from_url(os.environ["BENCHMARK_VALKEY"]))


def nothing(n: int) -> None:
    duties.nothing()


def increment_views(listing_id: int) -> None:
    duties.increment_views(listing_id)


def stamp(sent_ns: int) -> None:
    duties.stamp(sent_ns)


def prepare() -> None:
    """Redis needs no schema."""


def enqueue(job: str, argument: int) -> None:
    _queue.enqueue(f"rq_tasks.{job}", argument, result_ttl=0)


def enqueue_many(job: str, arguments: list[int]) -> None:
    _queue.enqueue_many([Queue.prepare_data(f"rq_tasks.{job}", (argument,), result_ttl=0) for argument in arguments])


def worker_commands(processes: int) -> list[list[str]]:
    """A worker is a process."""
    return [[sys.executable, "rq_tasks.py"]] * processes


if __name__ == "__main__":
    import rq_tasks  # noqa: F401 - under the name by which jobs ask for it

    Worker([_queue], connection=_queue.connection, log_job_description=False).work(logging_level="WARNING")
