"""The ground on which all is measured: a private PostgreSQL with durable commits, and a fresh
database for each measurement.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import create_engine, make_url

from forecourt import database
from forecourt.database.private import PrivateServer
from forecourt.database.schema import upgrade
from forecourt.settings import settings

TEMPLATE = "measured"


@dataclass(frozen=True, slots=True)
class Ground:
    """`folder` is for files, and is removed at the end; `server` is the URL of the database from
    which all others are made.
    """

    folder: Path
    server: str
    numbers: "count[int]"

    @contextmanager
    def fresh(self, app: str = "benchmarks.jobs:app") -> Iterator[str]:
        """A database with the whole schema and nothing in it, which this process and its children
        use meanwhile. Yields its URL.
        """
        name = f"{TEMPLATE}_{next(self.numbers)}"
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(TEMPLATE))
            )
        url = _named(self.server, name)
        os.environ |= {"FORECOURT_DATABASE_URL": url, "FORECOURT_APP": app}
        _read_settings_again()
        try:
            yield url
        finally:
            for variable in ("FORECOURT_DATABASE_URL", "FORECOURT_APP"):
                os.environ.pop(variable, None)
            _read_settings_again()
            self._drop(name)

    @contextmanager
    def empty(self) -> Iterator[str]:
        """A database with nothing at all in it, for a peer. Yields its URL."""
        name = f"peer_{next(self.numbers)}"
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        try:
            yield _named(self.server, name)
        finally:
            self._drop(name)

    def _drop(self, name: str) -> None:
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def prepared() -> Iterator[Ground]:
    """Start the server, make the database that the others are copies of, and remove everything at
    the end.
    """
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"FORECOURT_VAR": folder, "FORECOURT_LOG_LEVEL": "WARNING"}
        server = PrivateServer(Path(folder) / "postgres")
        url = server.start()
        try:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
            engine = create_engine(make_url(_named(url, TEMPLATE)).set(drivername="postgresql+psycopg"))
            upgrade(engine)
            engine.dispose()
            yield Ground(Path(folder), url, count(1))
        finally:
            database.forget_engine()
            server.release()


def _read_settings_again() -> None:
    database.forget_engine()
    settings.cache_clear()


def _named(url: str, database_name: str) -> str:
    return make_url(url).set(database=database_name).render_as_string(hide_password=False)
