"""The way from an asynchronous connection to the store's statements: called from within `bridged`,
each waits on the caller's event loop."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard, TypeVar, cast

import psycopg
from psycopg.rows import tuple_row

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_scoped_session

R = TypeVar("R")

AsyncSource: TypeAlias = "AsyncSession | async_scoped_session[Any] | AsyncConnection | psycopg.AsyncConnection[Any]"
"""Where a caller's asynchronous transaction may be."""


def is_async(source: object) -> "TypeGuard[AsyncSource]":
    """Whether a caller's session or connection must be awaited."""
    if source is None or isinstance(source, psycopg.Connection):
        return False
    if isinstance(source, psycopg.AsyncConnection):
        return True
    return any(kind.__module__.startswith("sqlalchemy.ext.asyncio") for kind in type(source).__mro__)


async def bridged(
    source: AsyncSource,
    function: Callable[[psycopg.Connection[Any]], R],
) -> R:
    """Call a function of the store in the transaction of a caller's asynchronous session or
    connection, and return what it returns.

    Raises TypeError for what is none of these.
    """
    from sqlalchemy.util import greenlet_spawn

    connection = await driver_of(source)
    result: R = await greenlet_spawn(function, cast("psycopg.Connection[Any]", _Waiting(connection)))
    return result


async def driver_of(source: AsyncSource) -> psycopg.AsyncConnection[Any]:
    """The psycopg connection beneath."""
    if isinstance(source, psycopg.AsyncConnection):
        return source
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_scoped_session

    if isinstance(source, async_scoped_session):
        source = source()
    if isinstance(source, AsyncSession):
        source = await source.connection()
    if isinstance(source, AsyncConnection):
        if not source.in_transaction():
            await source.begin()  # else SQLAlchemy would not know that there is something to commit
        driver = (await source.get_raw_connection()).driver_connection
        if isinstance(driver, psycopg.AsyncConnection):
            return driver
        raise TypeError(
            f"session: it stands on the driver {source.dialect.driver!r}, expected psycopg: "
            "create_async_engine('postgresql+psycopg://...')"
        )
    kind = type(source).__name__
    raise TypeError(
        f"session: expected a SQLAlchemy AsyncSession or AsyncConnection or a psycopg AsyncConnection, not {kind}"
    )


class _Waiting:
    """What the store asks of a connection, on one that must be awaited."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection

    def execute(self, query: Any, parameters: Any = None, **options: Any) -> "_WaitingCursor":
        return _WaitingCursor(psycopg.AsyncCursor(self._connection, row_factory=tuple_row)).execute(
            query, parameters, **options
        )

    @property
    def autocommit(self) -> bool:
        return self._connection.autocommit

    @property
    def info(self) -> psycopg.ConnectionInfo:
        return self._connection.info

    @contextmanager
    def transaction(self) -> Iterator[None]:
        block = self._connection.transaction()
        _wait(block.__aenter__())
        try:
            yield
        except BaseException as error:
            _wait(block.__aexit__(type(error), error, error.__traceback__))
            raise
        _wait(block.__aexit__(None, None, None))

    @contextmanager
    def cursor(self, **options: Any) -> "Iterator[_WaitingCursor]":
        yield _WaitingCursor(psycopg.AsyncCursor(self._connection, **options))


class _WaitingCursor:
    def __init__(self, cursor: psycopg.AsyncCursor[Any]) -> None:
        self._cursor = cursor

    def execute(self, query: Any, parameters: Any = None, **options: Any) -> "_WaitingCursor":
        _wait(self._cursor.execute(query, parameters, **options))
        return self

    def fetchall(self) -> list[Any]:
        return cast("list[Any]", _wait(self._cursor.fetchall()))

    def fetchone(self) -> Any:
        return _wait(self._cursor.fetchone())

    def __iter__(self) -> Iterator[Any]:
        return iter(self.fetchall())

    @property
    def rowcount(self) -> int:
        return self._cursor.rowcount


def _wait(awaitable: Any) -> Any:
    from sqlalchemy.util import await_only

    return await_only(awaitable)
