"""The process's one engine, and the way from any caller's session to the psycopg connection beneath it."""

import atexit
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, cast

import psycopg
from sqlalchemy import URL, Connection, Engine, create_engine, make_url
from sqlalchemy.orm import Session

from forecourt.settings import settings


class DatabaseUnreachable(RuntimeError):
    """PostgreSQL does not answer; the message names host, port and user."""


@lru_cache(maxsize=1)
def database_url() -> URL:
    """Where the database is: FORECOURT_DATABASE_URL, else the private server, started if it does not run yet."""
    configured = settings().database_url
    if configured is None:
        from forecourt.database.private import PrivateServer

        configured = PrivateServer(settings().var / "postgres").start()
    url = make_url(configured)
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise ValueError(f"FORECOURT_DATABASE_URL must start with postgresql://, not {url.drivername}://")
    return url.set(drivername="postgresql+psycopg")


def libpq_url() -> str:
    """The same address as a libpq URL, for psycopg and for child processes."""
    return database_url().set(drivername="postgresql").render_as_string(hide_password=False)


_engine: Engine | None = None


def engine() -> Engine:
    """The engine of this process. Made at first use, so that a process forked before then shares no connection."""
    global _engine
    if _engine is None:
        _engine = make_engine()
    return _engine


def use_engine(chosen: Engine) -> None:
    """Make `chosen` the engine of this process."""
    global _engine
    _engine = chosen


def make_engine(*, pool_size: int = 5, pre_ping: bool = True, application_name: str = "forecourt") -> Engine:
    """An engine of one's own, for those who must not share: slots and the supervisor."""
    return create_engine(
        database_url(),
        pool_size=pool_size,
        pool_pre_ping=pre_ping,
        connect_args={"application_name": application_name} | _driver_options(),
    )


def forget_engine() -> None:
    """Close this process's connections and read the settings again at the next use."""
    global _engine
    if _engine is not None:
        _engine.dispose()
    _engine = None
    database_url.cache_clear()


atexit.register(forget_engine)


def connect(*, autocommit: bool = False, application_name: str = "forecourt") -> psycopg.Connection[tuple[Any, ...]]:
    """A plain psycopg connection outside the pool.

    Raises DatabaseUnreachable, which names host, port and user.
    """
    try:
        return psycopg.connect(
            libpq_url(), autocommit=autocommit, application_name=application_name, **_driver_options()
        )
    except psycopg.OperationalError as error:
        raise DatabaseUnreachable(unreachable(error)) from error


def _driver_options() -> dict[str, Any]:
    # Behind a pooler the next transaction may run on a connection that was never told of a prepared statement.
    return {"connect_timeout": 10} | ({"prepare_threshold": None} if settings().pooled else {})


def unreachable(error: Exception) -> str:
    """One sentence for people: what could not be reached, as whom, and what the driver said."""
    url = database_url()
    host = url.host or url.query.get("host") or "the local socket"
    reason = str(error).strip().splitlines()[0].strip() if str(error).strip() else type(error).__name__
    return f"PostgreSQL at {host}, port {url.port or 5432}, user {url.username or 'default'}: {reason}"


@contextmanager
def session() -> Iterator[Session]:
    """A session in a transaction of its own: committed at the end, rolled back when the block raises."""
    with Session(engine()) as opened, opened.begin():
        yield opened


def in_transaction_of(source: Session | Connection | psycopg.Connection[Any]) -> psycopg.Connection[Any]:
    """The psycopg connection beneath a caller's session or connection, so that we write in the caller's transaction."""
    if isinstance(source, Session):
        source = source.connection()
    if isinstance(source, Connection):
        if not source.in_transaction():
            source.begin()  # else SQLAlchemy would not know that there is something to commit
        return cast("psycopg.Connection[Any]", source.connection.driver_connection)
    if isinstance(source, psycopg.Connection):
        return source
    kind = type(source).__name__
    raise TypeError(f"session: expected a SQLAlchemy Session or Connection or a psycopg connection, not {kind}")
