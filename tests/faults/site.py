"""A PostgreSQL of a storm's own, which may be crashed, starved and filled without disturbing anybody."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import psycopg
from sqlalchemy import create_engine, make_url

from fleet import wait_until
from forecourt.database import postmaster
from forecourt.database.postmaster import Postmaster
from forecourt.database.private import PrivateServer
from forecourt.database.schema import upgrade


class Site:
    """A durable server with a migrated database, and a transaction that holds its xmin horizon all the time."""

    def __init__(self, server: PrivateServer) -> None:
        self._server = server
        self.url = server.start()
        self._horizon: psycopg.Connection[tuple[object, ...]] | None = None
        engine = create_engine(make_url(self.url).set(drivername="postgresql+psycopg"))
        upgrade(engine)
        engine.dispose()
        self.hold_horizon()

    def hold_horizon(self) -> None:
        """Begin a transaction whose snapshot keeps every row version that dies from now on."""
        self.release_horizon()
        self._horizon = wait_until(self._old_snapshot, what="the server")

    def _old_snapshot(self) -> psycopg.Connection[tuple[object, ...]] | None:
        try:
            connection = psycopg.connect(self.url, application_name="horizon")
        except psycopg.OperationalError:
            return None  # it has not recovered yet
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute("SELECT count(*) FROM forecourt.ready")
        return connection

    def release_horizon(self) -> None:
        """Let vacuum do its work again."""
        if self._horizon is not None:
            self._horizon.close()

    def postmaster(self) -> int | None:
        """The server's first process; None when none runs."""
        [cluster] = self._server._clusters()
        return Postmaster(cluster).pid()

    def crash(self) -> None:
        """An immediate shutdown: no session is asked, nothing is flushed, recovery replays the log."""
        pid = self.postmaster()
        assert pid
        os.kill(pid, signal.SIGQUIT)
        wait_until(lambda: self.postmaster() is None, what="the server to stop")

    def start(self) -> None:
        """Start it again."""
        self._server.start()
        self.hold_horizon()


@contextmanager
def site(folder: Path, **settings: str) -> Iterator[Site]:
    """A site whose server has some settings of its own."""
    server = PrivateServer(folder, durable=True)
    with patch.dict(postmaster.SETTINGS, settings):
        try:
            opened = Site(server)
            yield opened
            opened.release_horizon()
        finally:
            server.stop()
            server.release()
