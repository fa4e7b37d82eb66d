"""The pages' own connections: few, impatient, and never the workers'.

A page that nobody gets within three seconds is of no use to an operator, so each step of it has a
limit: being let in, waiting for a connection, each statement.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from psycopg import Connection
from sqlalchemy import URL, Engine, create_engine, event

from forecourt.database import database_url, in_transaction_of
from forecourt.database.engine import close_latecomers, connect_anew
from forecourt.store import snapshot

MOST = 4
"""Connections of one web process, whatever is asked of it."""

# For the transaction only: through PgBouncer the connection is not ours alone. A plan that is
# compiled takes longer to compile than any statement of a page to run; what is grouped must not go
# through files.
TO_READ = """
SELECT set_config('statement_timeout', '2500ms', true),
       set_config('jit', 'off', true),
       set_config('work_mem', '32MB', true),
       set_config('transaction_read_only', 'on', true)
"""

TO_ACT = "SELECT set_config('statement_timeout', '15s', true)"

_current: tuple[URL, Engine] | None = None
_making = threading.Lock()


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
    with _engine(database_url()).begin() as connection:
        tx = in_transaction_of(connection)
        tx.execute(TO_READ)
        look = Reading(tx)
        yield look
        look.end()


@contextmanager
def acting() -> Iterator[Connection[Any]]:
    """A transaction for an operator's action, committed at the end of the block."""
    with _engine(database_url()).begin() as connection:
        tx = in_transaction_of(connection)
        tx.execute(TO_ACT)
        yield tx


def _engine(url: URL) -> Engine:
    global _current
    with _making:  # two threads at once would each make one, and one of them would be closed by nobody
        if _current is None or _current[0] != url:
            if _current is not None:
                _current[1].dispose()
            _current = (url, _made(url))
        return _current[1]


def _made(url: URL) -> Engine:
    engine = create_engine(
        url,
        pool_size=MOST,
        max_overflow=0,
        pool_timeout=2,
        pool_pre_ping=True,
        isolation_level="READ COMMITTED",
        connect_args={
            "application_name": "forecourt web",
            "connect_timeout": 2,
            "tcp_user_timeout": 3000,
            "options": "-c TimeZone=UTC",
        },
    )
    event.listen(engine, "do_connect", connect_anew)
    close_latecomers(engine)
    return engine
