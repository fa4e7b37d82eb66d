"""The way from any caller's session to the psycopg connection beneath it."""

import sys
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard, cast

import psycopg
from psycopg.rows import tuple_row

from forecourt.database.bridge import Waiting, is_async

if TYPE_CHECKING:
    from sqlalchemy import Connection


EXPECTED = "a SQLAlchemy Session or Connection, a Django connection or a psycopg connection"


class MustBeAwaited(TypeError):
    """A caller's session is asynchronous, where nobody can wait for it."""


class DjangoConnection(Protocol):
    """`django.db.connection`, or one of `django.db.connections`: what of it is asked, as Django
    itself has no types.
    """

    connection: object
    in_atomic_block: bool
    needs_rollback: bool

    def ensure_connection(self) -> None:
        """Connect if need be."""


def in_transaction_of(source: object) -> psycopg.Connection[Any]:
    """The psycopg connection beneath a caller's SQLAlchemy session or connection, Django
    connection, or psycopg connection, so that we write in the caller's transaction. Raises
    TypeError for anything else."""
    if isinstance(source, psycopg.Connection):
        is_plain = source.row_factory is tuple_row and not issubclass(source.cursor_factory, psycopg.RawCursor)
        return source if is_plain else cast("psycopg.Connection[Any]", _Plain(source))
    if isinstance(source, _Plain | Waiting):
        return cast("psycopg.Connection[Any]", source)
    if is_django(source):
        return _beneath_django(source)
    from sqlalchemy import Connection
    from sqlalchemy.orm import Session, scoped_session

    if isinstance(source, scoped_session):
        source = source()
    if isinstance(source, Session):
        source = source.connection()
    if isinstance(source, Connection):
        if not source.in_transaction():
            source.begin()  # else SQLAlchemy would not know that there is something to commit
        return _driver_of(source)
    words = f"session: expected {EXPECTED}, not {type(source).__name__}"
    if is_async(source):
        raise MustBeAwaited(f"{words}; from a coroutine, await adispatch(...) instead of dispatch(...)")
    raise TypeError(words)


def _driver_of(connection: "Connection") -> psycopg.Connection[Any]:
    driver = connection.connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise TypeError(
            f"session: it stands on the driver {connection.dialect.driver!r}, expected psycopg used synchronously: "
            "create_engine('postgresql+psycopg://...'); an async session's run_sync() does not help here"
        )
    return driver


class _Plain:
    """A caller's connection whose rows are dicts, or whose statements take no names: the store's
    statements and rows are as the driver has them by itself.
    """

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def cursor(self, *, row_factory: Any = tuple_row) -> psycopg.Cursor[Any]:
        return psycopg.Cursor(self._connection, row_factory=row_factory)

    def execute(self, query: Any, parameters: Any = None, **options: Any) -> psycopg.Cursor[Any]:
        return self.cursor().execute(query, parameters, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def is_django(source: object) -> TypeGuard[DjangoConnection]:
    """Whether it is `django.db.connection`, or one of `django.db.connections`."""
    if "django.db" not in sys.modules:
        return False
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.utils.connection import ConnectionProxy

    return isinstance(source, BaseDatabaseWrapper | ConnectionProxy)


def _beneath_django(source: DjangoConnection) -> psycopg.Connection[Any]:
    # PostgreSQL would take what Django then rolls back, without a word.
    if source.in_atomic_block and source.needs_rollback:
        raise RuntimeError("session: an error has spoilt Django's transaction, so nothing can be dispatched in it")
    source.ensure_connection()
    if not isinstance(source.connection, psycopg.Connection):
        raise TypeError(
            f"session: the Django connection stands on {type(source.connection).__module__}, expected psycopg 3 on PostgreSQL: "
            "ENGINE 'django.db.backends.postgresql', and pip install 'psycopg[binary]'"
        )
    return source.connection
