"""A real PostgreSQL for every test: one private server a run, one database a test, copied from a
migrated template.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from shutil import disk_usage, rmtree
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import create_engine, make_url
from sqlalchemy.orm import Session

import workshop
from fleet import Looking
from forecourt import database
from forecourt.database.cluster import Cluster
from forecourt.database.private import PrivateServer
from forecourt.database.schema import upgrade
from forecourt.settings import settings

MEMORY = Path("/dev/shm")
A_DAY = 86400

# What a shell or nohup starts in the background ignores these, and so would every process of the
# tests: a handler is not inherited.
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, lambda *_: None)

if "SKEW_FILE" in os.environ:  # another day, on PostgreSQL's clock as well, which gets nothing of our environment
    _run = Cluster.run

    def _on_another_day(self: Cluster, command: list[str], **options: Any) -> Any:
        moved = [f"{name}={os.environ[name]}" for name in ("LD_PRELOAD", "SKEW_FILE")]
        return _run(self, ["/usr/bin/env", *moved, *command], **options)

    Cluster.run = _on_another_day  # type: ignore[method-assign]


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The run's own server, stopped at its end."""
    with _in_memory() or nullcontext(tmp_path_factory.mktemp("server")) as folder:
        server = PrivateServer(Path(folder), durable=False)
        url = server.start()
        yield url
        server.release()


def _in_memory() -> TemporaryDirectory[str] | None:
    """A folder in memory, where there is room: a database is a thousand small files, which take a
    disk's file system ten times as long to make as the rest of the copy.
    """
    if not MEMORY.is_mount() or disk_usage(MEMORY).free < 4e9:
        return None
    made = TemporaryDirectory(prefix="forecourt-tests-", dir=MEMORY, ignore_cleanup_errors=True)
    now = Path(made.name).stat().st_mtime  # the kernel's: this process may live on another day
    for left in MEMORY.glob("forecourt-tests-*"):  # by a run that was killed
        with suppress(FileNotFoundError):  # another process was quicker
            if left.stat().st_mtime < now - A_DAY:
                rmtree(left, ignore_errors=True)
    return made


@pytest.fixture(scope="session")
def template(server_url: str) -> Callable[[], str]:
    """Says the name of an empty database that was migrated today, on which its partitions depend: a
    run may pass midnight.
    """

    @cache
    def migrated(day: date) -> str:
        name = f"migrated_{day:%Y%m%d}"
        _create(server_url, name)
        engine = create_engine(make_url(server_url).set(drivername="postgresql+psycopg", database=name))
        upgrade(engine)
        engine.dispose()
        return name

    return lambda: migrated(datetime.now(UTC).date())


@pytest.fixture
def database_name(request: pytest.FixtureRequest) -> str:
    return f"test_{os.getpid()}_{abs(hash(request.node.nodeid)) % 10**12}"


@pytest.fixture
def empty_var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A FORECOURT_VAR of the test's own, with no setting from outside."""
    for name in [name for name in os.environ if name.startswith("FORECOURT_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FORECOURT_VAR", str(tmp_path / "var"))
    settings.cache_clear()
    return tmp_path / "var"


@pytest.fixture(name="database")
def fresh_database(
    server_url: str, template: Callable[[], str], database_name: str, empty_var: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The URL of a migrated database that only this test uses; the settings of this process point
    at it.
    """
    _create(server_url, database_name, template())
    url = make_url(server_url).set(database=database_name).render_as_string(hide_password=False)
    monkeypatch.setenv("FORECOURT_DATABASE_URL", url)
    settings.cache_clear()
    database.forget_engine()
    yield url
    database.forget_engine()
    settings.cache_clear()
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database_name)))


@pytest.fixture
def session(database: str) -> Iterator[Session]:
    """A session on the test's database; what the test doesn't commit is rolled back."""
    from forecourt.database import engine

    with Session(engine()) as opened:
        yield opened


def _create(server_url: str, name: str, template: str = "template0") -> None:
    with psycopg.connect(server_url, autocommit=True) as connection:
        # A third cheaper than the default strategy, measured.
        made = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
        connection.execute(made.format(sql.Identifier(name), sql.Identifier(template)))


@pytest.fixture(scope="session")
def web_address() -> Iterator[str]:
    """One web server for a whole run. It looks at whichever database and application the settings
    name when it is asked.
    """
    from serving import served

    with served() as opened:
        yield opened


@pytest.fixture
def looking(database: str) -> Iterator[Looking]:
    """The test's database with the workshop's table of traces, to look into."""
    look = Looking(database)
    look.connection.execute(workshop.TRACES.encode())
    yield look
    look.connection.close()
