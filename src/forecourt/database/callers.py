"""The way from any caller's session to the psycopg connection beneath it."""

from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from sqlalchemy import Connection


def in_transaction_of(source: object) -> psycopg.Connection[Any]:
    """The psycopg connection beneath a caller's SQLAlchemy session or connection, or psycopg connection, so that we write in the
    caller's transaction. Raises TypeError for anything else."""
    if isinstance(source, psycopg.Connection):
        return source
    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

    if isinstance(source, Session):
        source = source.connection()
    if isinstance(source, Connection):
        if not source.in_transaction():
            source.begin()  # else SQLAlchemy would not know that there is something to commit
        return _driver_of(source)
    kind = type(source).__name__
    instead = "; from a coroutine, await adispatch(...) instead of dispatch(...)" if kind.startswith("Async") else ""
    raise TypeError(
        f"session: expected a SQLAlchemy Session or Connection or a psycopg connection, not {kind}{instead}"
    )


def _driver_of(connection: "Connection") -> psycopg.Connection[Any]:
    driver = connection.connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise TypeError(
            f"session: it stands on the driver {connection.dialect.driver!r}, expected psycopg used synchronously: "
            "create_engine('postgresql+psycopg://...'); an async session's run_sync() does not help here"
        )
    return driver
