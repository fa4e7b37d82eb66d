"""A PostgreSQL of a storm's own, which may be crashed, starved and filled without disturbing
anybody.
"""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
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
    """A durable server with a migrated database, and a transaction that holds its xmin horizon all
    the time.
    """

    def __init__(self, server: PrivateServer, networks: Sequence[str]) -> None:
        self._server = server
        self.url = server.start()
        self._let_in(networks)
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
        with ExitStack() as stack, suppress(psycopg.OperationalError):  # it has not recovered yet
            connection = psycopg.connect(self.url, application_name="horizon")
            stack.callback(connection.close)
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.execute("SELECT count(*) FROM forecourt.ready")
            stack.pop_all()
            return connection
        return None

    def release_horizon(self) -> None:
        """Let vacuum do its work again."""
        if self._horizon is not None:
            self._horizon.close()

    def _let_in(self, networks: Sequence[str]) -> None:
        if not networks:
            return
        [cluster] = self._server._clusters()
        rules = cluster.data / "pg_hba.conf"
        # The first that fits decides.
        rules.write_text("".join(f"host all all {network} trust\n" for network in networks) + rules.read_text())
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("SELECT pg_reload_conf()")

    @property
    def socket(self) -> str:
        """The Unix socket on which the server listens."""
        [cluster] = self._server._clusters()
        return str(cluster.socket_folder / ".s.PGSQL.5432")

    def postmaster(self) -> int | None:
        """The server's first process; None when none runs."""
        [cluster] = self._server._clusters()
        return Postmaster(cluster).pid()

    def crash(self) -> None:
        """An immediate shutdown: no session is asked, nothing is flushed, recovery replays the
        log.
        """
        pid = self.postmaster()
        assert pid
        os.kill(pid, signal.SIGQUIT)
        wait_until(lambda: self.postmaster() is None, what="the server to stop")

    def start(self) -> None:
        """Start it again."""
        self._server.start()
        self.hold_horizon()


@contextmanager
def site(folder: Path, *, networks: Sequence[str] = (), **settings: str) -> Iterator[Site]:
    """A site whose server has some settings of its own, and lets these networks in."""
    server = PrivateServer(folder, durable=True)
    with patch.dict(postmaster.SETTINGS, settings):
        try:
            opened = Site(server, networks)
            try:
                yield opened
            finally:
                opened.release_horizon()
        finally:
            server.stop()
            server.release()
