"""What every measured job does, the same in each queue: its work, and then a mark in a file that
the clock is read by.
"""

import asyncio
import os
import struct
import time
from functools import cache
from threading import local
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg_pool import AsyncConnectionPool

UPDATE = "UPDATE car_listings SET views_count = views_count + 1 WHERE id = %s"

_marks = os.open(os.environ.get("BENCHMARK_MARKS", os.devnull), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
_of_thread = local()


def nothing() -> None:
    """The least that a job can do."""
    os.write(_marks, b".")


def increment_views(listing_id: int) -> None:
    """One UPDATE on a connection that is kept: psycopg's are used by one thread at a time."""
    import psycopg

    if not hasattr(_of_thread, "connection"):
        _of_thread.connection = psycopg.connect(os.environ["BENCHMARK_DATABASE"], autocommit=True)
    _of_thread.connection.execute(UPDATE, (listing_id,))
    os.write(_marks, b".")


async def increment_views_async(listing_id: int) -> None:
    """The same for queues whose jobs are coroutines, on a pool of connections."""
    pool = _pool()
    await pool.open()
    async with pool.connection() as connection:
        await connection.execute(UPDATE, (listing_id,))
    os.write(_marks, b".")


async def wait_async() -> None:
    """50 ms for something outside, while other jobs run."""
    await asyncio.sleep(0.05)
    os.write(_marks, b".")


def stamp(sent_ns: int) -> None:
    """How long ago it was dispatched, by the clock that all processes of a machine share."""
    os.write(_marks, struct.pack("q", time.monotonic_ns() - sent_ns))


@cache
def _pool() -> "AsyncConnectionPool":
    from psycopg_pool import AsyncConnectionPool

    return AsyncConnectionPool(
        os.environ["BENCHMARK_DATABASE"],
        min_size=1,
        max_size=int(os.environ["BENCHMARK_CONNECTIONS"]),
        kwargs={"autocommit": True},
        open=False,
    )
