"""The pages' own connections: few, impatient, and never the workers'.

A page that nobody gets within three seconds is of no use to an operator, so each step of it has a
limit: waiting for a connection, each statement; and all that a request reads together has one, so
that ten statements of a slow database are not ten times the patience.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any

from psycopg import Connection, OperationalError
from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry

from forecourt.database import database_url, in_transaction_of
from forecourt.database.asking import send
from forecourt.database.connecting import connected
from forecourt.database.pooling import note_returns, retire
from forecourt.store import snapshot

MOST = 4
"""Connections of one web process, whatever is asked of it."""

PATIENCE = 2.5
"""Seconds for all that a request reads; and for a statement whose reader has gone."""

_left: ContextVar[list[float] | None] = ContextVar("left", default=None)
"""Seconds that whoever asks still waits for the database, alone in its list: what a busy process
takes for itself, or another request for its turn, does not count."""

# Each in one message. For the transaction only: through PgBouncer the connection is not ours alone.
# A plan that is compiled takes longer to compile than any statement of a page to run; what is
# grouped must not go through files.
BEGIN_TO_READ = b"""
BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
SET LOCAL statement_timeout = '2500ms';
SET LOCAL jit = off;
SET LOCAL work_mem = '32MB'
"""

BEGIN_TO_ACT = b"""
BEGIN ISOLATION LEVEL READ COMMITTED;
SET LOCAL statement_timeout = '15s'
"""

_first: ContextVar[bytes] = ContextVar("first")
"""The message by which whoever asks now begins a transaction."""

_current: tuple[URL, Engine] | None = None
_making = threading.Lock()


class Impatient(Connection[Any]):
    """A connection that is closed when it answers too late: what it would still say is of no use,
    and the next reader gets another one.
    """

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        left = _left.get()
        if left is None:
            return super().wait(gen, interval, timeout)
        began = time.monotonic()
        try:
            return super().wait(gen, interval, max(left[0], 0.0))
        except OperationalError as error:
            if self.closed or time.monotonic() - began < left[0]:
                raise
            self.close()
            raise OperationalError(f"it has not said everything within {PATIENCE} s") from error
        finally:
            left[0] -= time.monotonic() - began

    def rollback(self) -> None:
        """Nothing to be done where it was closed for coming late."""
        if not self.closed:
            super().rollback()


def hurry() -> None:
    """Whoever asks now waits PATIENCE seconds for all that the database says to them."""
    _left.set([PATIENCE])


class Reading:
    """One look at the database, for one answer. `now` is the database's clock, `state` names what
    it saw: the same state, the same rows. `milliseconds` is how long it has lasted, `active`
    whether calls run, as far as somebody has asked."""

    active = False

    def __init__(self, tx: Connection[Any]) -> None:
        self._began = time.perf_counter()
        self._lasted: float | None = None
        self.tx = tx
        seen = snapshot.current(tx)
        self.now: datetime = seen.now
        self.state: str = seen.state

    @property
    def milliseconds(self) -> float:
        return self._lasted if self._lasted is not None else (time.perf_counter() - self._began) * 1000

    def end(self) -> None:
        """Stop counting."""
        self._lasted = self.milliseconds


@contextmanager
def reading() -> Iterator[Reading]:
    """A transaction that cannot write. Raises OperationalError within three seconds when the
    database does not answer.
    """
    with _begun(BEGIN_TO_READ) as tx:
        look = Reading(tx)
        yield look
        look.end()


@contextmanager
def acting() -> Iterator[Connection[Any]]:
    """A transaction for an operator's action, committed at the end of the block. It may take its
    time: what was begun is not given up half said.
    """
    waiting = _left.set(None)
    try:
        with _begun(BEGIN_TO_ACT) as tx:
            yield tx
    finally:
        _left.reset(waiting)


@contextmanager
def _begun(message: bytes) -> Iterator[Connection[Any]]:
    asked = _first.set(message)
    try:
        with _engine(database_url()).begin() as connection:
            yield in_transaction_of(connection)
    finally:
        _first.reset(asked)


def _begin(connection: Connection[Any], record: ConnectionPoolEntry, _proxy: object) -> None:
    """Begin on a connection that is handed out. One that was cut meanwhile says so now, when
    nothing has been done yet: all that were made before are replaced then."""
    try:
        send(connection, _first.get())
    except OperationalError as error:
        if "used_at" not in record.info:
            raise
        raise InvalidatePoolError("cut while nobody used it") from error


def _engine(url: URL) -> Engine:
    global _current
    with _making:  # two threads at once would each make one, and one of them would be closed by nobody
        if _current is None or _current[0] != url:
            if _current is not None:
                retire(_current[1])
            _current = (url, _made(url))
        return _current[1]


def _made(url: URL) -> Engine:
    engine = create_engine(
        url,
        pool_size=MOST,
        max_overflow=0,
        pool_timeout=2,
        isolation_level="READ COMMITTED",
        connect_args={
            "application_name": "forecourt web",
            "connect_timeout": 2,
            "tcp_user_timeout": 3000,
            "options": "-c TimeZone=UTC",
        },
    )
    event.listen(
        engine, "do_connect", lambda _d, _r, args, options: connected(lambda: Impatient.connect(*args, **options))
    )
    note_returns(engine)
    event.listen(engine, "checkout", _begin)
    return engine
