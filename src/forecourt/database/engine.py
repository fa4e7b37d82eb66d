"""The process's one engine: its pool, and what is lent from it.

SQLAlchemy is imported where it is used: a command that reads a table takes a plain connection, and
answers in half the time.
"""

import atexit
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import psycopg
from psycopg.pq import TransactionStatus

from forecourt.database import pooling
from forecourt.database.address import database_url, libpq_url
from forecourt.database.connecting import connected, driver_options

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.orm import Session

_engine: "Engine | None" = None
_making = threading.Lock()


def engine() -> "Engine":
    """The engine of this process. Made at first use, so that a process forked before then shares no
    connection.
    """
    global _engine
    if _engine is None:
        with _making:  # two threads at once would each make one, and one of them would be closed by nobody
            if _engine is None:
                _engine = make_engine()
    return _engine


def use_engine(chosen: "Engine") -> None:
    """Make `chosen` the engine of this process."""
    global _engine
    _engine = chosen


def make_engine(*, pool_size: int = 5, application_name: str = "forecourt", spotless: bool = False) -> "Engine":
    """An engine of one's own, for those who must not share: slots and the supervisor. A connection
    that broke while nobody used it is replaced instead of handed out. With `spotless`, for jobs,
    its sessions are as the role has them, and whatever was left on a connection (settings,
    listening, temporary tables, advisory locks) is gone when it is handed out again."""
    from sqlalchemy import create_engine, event

    ours = {} if spotless else {"isolation_level": "READ COMMITTED"}
    made = create_engine(
        database_url(),
        pool_size=pool_size,
        connect_args={"application_name": application_name} | driver_options(pinned=not spotless),
        pool_reset_on_return=None if spotless else "rollback",
        **ours,
    )
    event.listen(made, "do_connect", connect_anew)
    pooling.note_returns(made)
    pooling.ping_after_a_pause(made)
    if spotless:
        pooling.clean_on_return(made)
    return made


_renamed: dict[str, str] = {}


def rename(application_name: str) -> None:
    """What the connections of this process's engines are called that they open from now on: a fork
    uses one that was made before.
    """
    _renamed["application_name"] = application_name


def connect_anew(dialect: Any, _record: Any, args: Any, options: Any) -> psycopg.Connection[Any]:
    """For an engine's event `do_connect`: a private server that died is started again."""
    return connected(lambda: dialect.connect(*args, **options | _renamed))


def forget_engine() -> None:
    """Close this process's connections and read the settings again at the next use."""
    global _engine
    if _engine is not None:
        pooling.retire(_engine)
    _engine = None
    libpq_url.cache_clear()


atexit.register(forget_engine)


class each_by_itself:  # noqa: N801 - a context manager, and half the time of a generator
    """A pooled connection, without a transaction, for statements that `ask` sends: each is one of
    its own. They leave nothing behind in their session.

    The pool is asked without SQLAlchemy's Connection around it, which takes longer than all else
    that a dispatch does before its statement is sent.
    """

    __slots__ = ("_lent",)

    def __enter__(self) -> psycopg.Connection[Any]:
        try:
            self._lent = engine().raw_connection()
        except psycopg.OperationalError:
            with engine().connect():  # raises it as SQLAlchemy's, as whoever uses a session knows it
                raise
        return cast("psycopg.Connection[Any]", self._lent.driver_connection)

    def __exit__(self, kind: object, *_: object) -> None:
        connection = cast("psycopg.Connection[Any]", self._lent.driver_connection)
        if connection.closed or connection.pgconn.transaction_status != TransactionStatus.IDLE:
            self._lent.invalidate()
            return
        if kind is None:
            self._lent.info["clean"] = True
        self._lent.close()


@contextmanager
def session() -> "Iterator[Session]":
    """A session in a transaction of its own: committed at the end, rolled back when the block
    raises.
    """
    from sqlalchemy.orm import Session

    with Session(engine()) as opened, opened.begin():
        yield opened
