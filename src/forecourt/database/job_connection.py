"""The connections that jobs get which write SQL themselves: one a thread, as the role has it, and
spotless for each call.
"""

import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

from forecourt import process
from forecourt.database.address import libpq_url
from forecourt.database.connecting import connect
from forecourt.database.pooling import LEAVE_NO_TRACE, PAUSE

_of_thread = threading.local()
_name = "forecourt"


def name_job_connections(application_name: str) -> None:
    """What those that this process opens from now on are called in pg_stat_activity."""
    global _name
    _name = application_name


@contextmanager
def job_connection() -> Iterator[psycopg.Connection[Any]]:
    """A connection on which no transaction is open; what the block leaves open is rolled back, and
    what it leaves on the connection is removed unless it was committed with that. Statements
    outside of a transaction are each their own."""
    connection = _living()
    _of_thread.spotless = False
    try:
        yield connection
    finally:
        _of_thread.used_at = time.monotonic()
        if connection.lock.locked():
            _give_up(connection)
        elif not _of_thread.spotless:
            _clean(connection)


def mark_spotless() -> None:
    """Say that nothing is left on this thread's connection."""
    _of_thread.spotless = True


def _living() -> psycopg.Connection[Any]:
    connection: psycopg.Connection[Any] | None = getattr(_of_thread, "connection", None)
    address = libpq_url()  # the settings may name another database by now
    if connection is not None and not connection.closed and _of_thread.address == address:
        if time.monotonic() - _of_thread.used_at < PAUSE:
            return connection
        with suppress(psycopg.Error):  # it may have broken while nobody used it
            connection.execute("SELECT 1")
            return connection
    if connection is not None:
        _of_thread.end()
    connection = connect(autocommit=True, application_name=_name, spotless=True)
    _of_thread.connection, _of_thread.address = connection, address
    _of_thread.end = weakref.finalize(threading.current_thread(), _close, connection, process.forks)
    return connection


def _close(connection: psycopg.Connection[Any], forks: int) -> None:
    """When its thread ends, or its process; a fork leaves its parent's alone."""
    if process.forks == forks:
        connection.close()


def _give_up(connection: psycopg.Connection[Any]) -> None:
    """What the block left uses it, a thread or rows that were not read, and would go on with
    whoever is next. In the middle of a statement it is not closed, unless that cannot be ended.
    """
    with suppress(psycopg.Error):
        connection.cancel_safe(timeout=0.5)
    is_free = connection.lock.acquire(timeout=0.5)
    connection.close()
    if is_free:
        connection.lock.release()


def _clean(connection: psycopg.Connection[Any]) -> None:
    try:
        connection.rollback()
        connection.execute(LEAVE_NO_TRACE.encode())
    except psycopg.Error:  # broken, or in a state that it cannot be brought out of: the next call gets another
        connection.close()
