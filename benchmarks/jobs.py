"""The application that the measured workers load.

Each job leaves a byte in a file that the clock can be read by: the same in every queue that is
measured.
"""

import asyncio
import os
import struct
import time

import psycopg
from sqlalchemy import text

from forecourt import Forecourt, Session, Timetable, job
from forecourt.marketplace import views

UPDATE = text("UPDATE car_listings SET views_count = views_count + 1 WHERE id = :listing_id")
PLAIN_UPDATE = "UPDATE car_listings SET views_count = views_count + 1 WHERE id = %s"

_marks = os.open(os.environ.get("BENCHMARK_MARKS", os.devnull), os.O_WRONLY | os.O_APPEND | os.O_CREAT)


@job
def nothing(n: int) -> None:
    """A call that does nothing but say that it was there."""
    os.write(_marks, b".")


@job
def stamp(sent_ns: int) -> None:
    """How long ago it was dispatched, by the clock that all processes of a machine share."""
    os.write(_marks, struct.pack("q", time.monotonic_ns() - sent_ns))


@job
def update(session: Session, listing_id: int) -> None:
    """One UPDATE that is committed together with the call's end."""
    session.execute(UPDATE, {"listing_id": listing_id})


@job(commit_together=50)
def update_together(session: Session, listing_id: int) -> None:
    """The same, up to fifty calls a commit."""
    session.execute(UPDATE, {"listing_id": listing_id})


@job
def update_by_connection(connection: psycopg.Connection, listing_id: int) -> None:
    """The same without SQLAlchemy."""
    connection.execute(PLAIN_UPDATE, (listing_id,))


@job(commit_together=50)
def update_by_connection_together(connection: psycopg.Connection, listing_id: int) -> None:
    """The same without SQLAlchemy, up to fifty calls a commit."""
    connection.execute(PLAIN_UPDATE, (listing_id,))


@job
def wait(n: int) -> None:
    """Waits for something outside, one call a slot."""
    time.sleep(0.05)


@job(threads=8)
def wait_in_threads(n: int) -> None:
    """The same, up to eight calls a slot at once."""
    time.sleep(0.05)


@job(concurrency=100)
async def wait_async(n: int) -> None:
    """The same, up to a hundred calls at once on the slot's event loop."""
    await asyncio.sleep(0.05)


increment_views_count = views.increment_views_count
"""The marketplace's own job: many calls become one UPDATE."""

app = Forecourt(Timetable("UTC"))
"""Only the jobs that are measured."""
