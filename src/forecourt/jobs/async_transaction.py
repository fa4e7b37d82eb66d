"""The transaction in which an `async def` job runs that takes a session or a connection: as for
functions, but awaited.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from forecourt.database.address import database_url
from forecourt.database.bridge import driver_of
from forecourt.database.connecting import driver_options
from forecourt.database.lending import lend, take_back, was_closed
from forecourt.database.pooling import ROLLBACK
from forecourt.jobs.definition import Definition
from forecourt.jobs.transaction import COMMIT, ENDED, IN_USE, STILL_WITHIN, JobSession, TransactionEnded, send_all

_numbers = count(1)

SET_MARK = "SELECT set_config('forecourt.attempt', %(mark)s, true)"

LONGEST_WAIT = 86_400.0
"""Seconds that a coroutine waits for a connection. Its call's timeout, which goes on meanwhile, is
the one that counts.
"""


class AsyncTransaction:
    """A transaction that was begun for a job. `given` is what the job's function gets, `tx` the
    connection beneath.
    """

    def __init__(
        self, given: AsyncSession | psycopg.AsyncConnection[Any], tx: psycopg.AsyncConnection[Any], mark: str
    ) -> None:
        self.given = given
        self.tx = tx
        self.mark = mark
        self.is_over = False
        """Whether it was committed, and nothing is left on its connection."""
        self.is_in_use = False
        """Whether a task that the function left used it when that was over."""

    async def flush(self) -> None:
        """Send what the function left to be sent. Raises TransactionEnded when it closed the
        connection, and RuntimeError when it still uses it."""
        if self._look_for_users():
            raise RuntimeError(IN_USE)
        if self._is_closed():
            raise TransactionEnded(ENDED)
        if isinstance(self.given, AsyncSession):
            await self.given.run_sync(send_all)

    async def is_whole(self) -> bool:
        """Whether the connection is still in it."""
        cursor = await self.tx.execute(STILL_WITHIN, {"mark": self.mark})
        return (await cursor.fetchall())[0][0] is True

    async def was_ended(self) -> bool:
        """Whether a job that raised had ended it before."""
        if self._look_for_users():
            return False  # it is given up
        match self.tx.info.transaction_status:
            case TransactionStatus.IDLE:
                # A flush that fails rolls the transaction back, and the session takes nothing more.
                return not isinstance(self.given, AsyncSession) or self.given.is_active
            case TransactionStatus.INTRANS:
                return not await self.is_whole()
            case _:
                return self._is_closed()

    def _look_for_users(self) -> bool:
        self.is_in_use |= self.tx.lock.locked()
        return self.is_in_use

    def _is_closed(self) -> bool:
        return was_closed(self.tx if isinstance(self.given, AsyncSession) else self.given)

    async def commit(self, last: str = "") -> None:
        """Commit it, and remove what was left on its connection; after a last statement, in the
        same message. When that raises, nothing behind it is executed."""
        message = f"{last}; {COMMIT}" if last else COMMIT
        await self.tx.execute(message.encode(), prepare=False)
        self.is_over = True
        if isinstance(self.given, AsyncSession):
            self.given.sync_session.dispatch.after_commit(self.given.sync_session)


class AsyncTransactions:
    """The connections of one event loop."""

    def __init__(self, size: int, application_name: str) -> None:
        self._engine: AsyncEngine = create_async_engine(
            database_url(),
            pool_size=size,
            max_overflow=0,
            pool_timeout=LONGEST_WAIT,
            pool_pre_ping=True,
            connect_args={"application_name": application_name} | driver_options(pinned=False),
        )

    @asynccontextmanager
    async def begin(self, job: Definition[..., Any]) -> AsyncIterator[AsyncTransaction | None]:
        """What the job's effects go into, rolled back unless it is committed in the block; None for
        a job that takes neither a session nor a connection."""
        if job.takes is None:
            yield None
            return
        async with self._engine.connect() as connection:
            tx = await driver_of(connection)
            opened = AsyncTransaction(tx, tx, f"async {next(_numbers)}")
            try:
                await tx.execute(SET_MARK, {"mark": opened.mark})
                if job.takes == "connection":
                    opened.given = lent = lend(tx)
                    try:
                        yield opened
                    finally:
                        take_back(lent)
                else:
                    async with AsyncSession(connection, sync_session_class=JobSession) as session:
                        opened.given = session
                        yield opened
            finally:
                if opened.is_in_use:
                    # Not in the middle of a statement: the loop would go on watching its
                    # descriptor, which is the next connection's by then.
                    async with tx.lock:
                        await tx.close()
                if tx.closed:
                    await connection.invalidate()  # else the pool would try to roll it back, and raise
                elif not opened.is_over:
                    with suppress(psycopg.Error, DBAPIError):  # it broke: the pool replaces it
                        await tx.execute(ROLLBACK.encode())

    async def close(self) -> None:
        """Close all of them."""
        await self._engine.dispose()
