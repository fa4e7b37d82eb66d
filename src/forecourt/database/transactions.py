"""Transactions of the engine's own duties, each on whichever of a few plain connections is free."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

from forecourt.database.connecting import connect
from forecourt.database.pooling import PAUSE
from forecourt.settings import settings


class Transactions:
    """Connections with one name, opened when none is free, and closed when something went wrong on
    them. For any number of threads."""

    def __init__(self, application_name: str = "forecourt") -> None:
        self._name = application_name
        self._free: list[tuple[psycopg.Connection[Any], float]] = []
        self._lock = threading.Lock()

    @contextmanager
    def begin(self) -> Iterator[psycopg.Connection[Any]]:
        """A transaction, committed at the end and rolled back when the block raises. Raises
        DatabaseUnreachable.
        """
        with self._lent() as connection, connection.transaction():
            yield connection

    @contextmanager
    def each_by_itself(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection on which every statement is a transaction of its own: one round trip instead
        of three. Behind a pooler it is `begin`, since only a BEGIN names the isolation there.
        Raises DatabaseUnreachable."""
        if settings().pooled:
            with self.begin() as connection:
                yield connection
        else:
            with self._lent() as connection:
                yield connection

    def rename(self, application_name: str) -> None:
        """Close all that are free, and give the next ones another name."""
        self._name = application_name
        self.close()

    def close(self) -> None:
        """Close all that are free."""
        with self._lock:
            free, self._free = self._free, []
        for connection, _ in free:
            connection.close()

    @contextmanager
    def _lent(self) -> Iterator[psycopg.Connection[Any]]:
        connection = self._take()
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        with self._lock:
            self._free.append((connection, time.monotonic()))

    def _take(self) -> psycopg.Connection[Any]:
        """The latest used that still lives: after a pause it is tried."""
        while True:
            with self._lock:
                if not self._free:
                    break
                connection, used_at = self._free.pop()
            if time.monotonic() - used_at < PAUSE:
                return connection
            with suppress(psycopg.Error):
                connection.execute("SELECT 1")
                return connection
            connection.close()
        return connect(autocommit=True, application_name=self._name)
