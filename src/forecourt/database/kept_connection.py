"""A pooled connection that goes from one call to the next, as long as each leaves it spotless."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from forecourt.database.engine import engine
from forecourt.database.pooling import PAUSE, is_clean

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.pool.base import _ConnectionFairy as PooledConnection


class KeptConnection:
    """For one thread, which has one call at a time. To take a connection from the pool, try it and
    give it back would cost each call a tenth of what it costs."""

    def __init__(self) -> None:
        self._kept: PooledConnection | None = None
        self._used_at = 0.0

    @contextmanager
    def lent(self) -> "Iterator[Connection]":
        """A connection on which no transaction is open, of SQLAlchemy's for this block alone:
        whatever outlives it cannot reach what is beneath. That goes back to the pool, which rolls
        back and cleans, unless it was marked clean."""
        from sqlalchemy import Connection

        pooled, self._kept = self._kept or self._taken(), None
        if time.monotonic() - self._used_at > PAUSE:
            pooled.info["clean"] = True
            pooled.close()
            pooled = self._taken()  # tried, since it may have broken while nobody used it
        lent = Connection(engine(), connection=pooled._checkout_existing())  # what close() below gives back again
        try:
            yield lent
        finally:
            lent.close()
            if pooled.is_valid and is_clean(pooled):
                self._kept, self._used_at = pooled, time.monotonic()
            else:
                pooled.close()

    def _taken(self) -> "PooledConnection":
        self._used_at = time.monotonic()
        return cast("PooledConnection", engine().raw_connection())
