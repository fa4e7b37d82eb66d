"""A driver's connection as one call gets it: an object of its own on a connection that outlives the
call.

What the call makes of it (how rows and values come, who hears notices) is gone with it. What the
call leaves running, a thread or a task, gets no further with it: it would write into the
transaction of whoever has the connection next.
"""

from functools import cache
from typing import Any, NoReturn, TypeVar

import psycopg
from psycopg.adapt import AdaptersMap
from psycopg.pq.abc import PGconn

C = TypeVar("C", "psycopg.Connection[Any]", "psycopg.AsyncConnection[Any]")


class TakenBack:
    """In the place of a connection's lock, which whoever wants to use it has to take first."""

    def __enter__(self) -> NoReturn:
        raise psycopg.InterfaceError("the call that was given this connection is over")

    def __exit__(self, *_: object) -> None: ...

    async def __aenter__(self) -> NoReturn:
        self.__enter__()

    async def __aexit__(self, *_: object) -> None: ...


TAKEN_BACK = TakenBack()


def lend(connection: C) -> C:
    """The same connection to the database, by an object that can be taken back."""
    lent = object.__new__(type(connection))
    # The lock and the prepared statements are the connection's, whoever uses it.
    lent.__dict__.update(connection.__dict__)
    if connection._adapters is not None:
        lent._adapters = AdaptersMap(connection._adapters)
    return lent


def take_back(lent: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> None:
    """Whoever still has it can do nothing more with it. May be repeated."""
    lent.__dict__["lock"] = TAKEN_BACK
    lent.pgconn = _nowhere()
    lent._notice_handlers.clear()
    lent._notify_handlers.clear()


def was_closed(connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> bool:
    """Whether somebody closed it by hand: `with connection:` does, after a commit."""
    return connection.closed and not connection.broken


@cache
def _nowhere() -> PGconn:
    """A connection that never came to be."""
    return psycopg.pq.PGconn.connect(b"host=/nowhere")
