"""Waiting for what a call returns. Whoever ends it tells of it; looking by oneself, ever more
seldom, is what can be relied on.
"""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import orjson
import psycopg

from forecourt.database.address import libpq_url
from forecourt.database.bridge import bridged
from forecourt.database.connecting import connect, driver_options
from forecourt.jobs.context import current
from forecourt.settings import settings
from forecourt.store import awaited
from forecourt.store.awaited import CHANNEL, Standing

FIRST_PAUSE, LONGEST_PAUSE = 0.02, 1.0
"""Seconds between two looks at a call of whose end nothing was heard; twice as many after each."""

LONGEST_LIFE = 86_400.0
"""Seconds for which those who end a call look for one who waits without a limit. Then only looking
is left.
"""


class NoResult(Exception):
    """A call ended without a result."""

    def __init__(self, id: int, job: str, why: str) -> None:
        super().__init__(f"call {id} of {job} {why}")
        self.id = id
        self.job = job


class CallFailed(NoResult):
    """It failed for good; `error` is the name of what it raised, as `queue failed` shows it, and
    `message` its words.
    """

    def __init__(self, id: int, job: str, error: str, message: str) -> None:
        super().__init__(id, job, f"failed: {error}: {message}")
        self.error = error
        self.message = message


class CallDiscarded(NoResult):
    """Its job raised Discard."""


class CallCancelled(NoResult):
    """Somebody cancelled it."""


def result(id: int, job: str, timeout: float | None) -> Any:
    """What the call returned. Raises what `Call.result` says."""
    _refuse_in_vain(id, job)
    waits = _Waits(id, job, timeout)
    with connect(autocommit=True) as connection, _registered(connection, waits):
        while not waits.is_over(awaited.look(connection, id)):
            for notification in connection.notifies(timeout=waits.pause()):
                if notification.payload == str(id):
                    break
        return waits.result


async def aresult(id: int, job: str, timeout: float | None) -> Any:
    """The same from a coroutine."""
    _refuse_in_vain(id, job)
    waits = _Waits(id, job, timeout)
    async with (
        await psycopg.AsyncConnection.connect(
            libpq_url(), autocommit=True, **driver_options(pinned=False)
        ) as connection,
        _aregistered(connection, waits),
    ):
        while not waits.is_over(await bridged(connection, lambda tx: awaited.look(tx, id))):
            async for notification in connection.notifies(timeout=waits.pause()):
                if notification.payload == str(id):
                    break
        return waits.result


class _Waits:
    """One who waits for one call."""

    def __init__(self, id: int, job: str, timeout: float | None) -> None:
        self.id = id
        self.result: Any = None
        self._job = job
        self._timeout = timeout
        self._until = None if timeout is None else time.monotonic() + timeout
        self._pause = FIRST_PAUSE

    @property
    def seconds(self) -> float:
        """How long it will wait at most."""
        return LONGEST_LIFE if self._timeout is None else self._timeout

    def pause(self) -> float:
        """Seconds until it should look again."""
        pause, self._pause = self._pause, min(2 * self._pause, LONGEST_PAUSE)
        return pause if self._until is None else max(0.0, min(pause, self._until - time.monotonic()))

    def is_over(self, standing: Standing | None) -> bool:
        """Whether the call has ended; then this has its result. Raises when it ended without, and
        when there is no time left.
        """
        match standing:
            case None:
                raise LookupError(
                    f"call {self.id} of {self._job} is in no table: its transaction is not committed yet, or it ended so long ago "
                    "that it was removed"
                )
            case Standing(outcome=None):
                if self._until is not None and time.monotonic() >= self._until:
                    raise TimeoutError(f"call {self.id} of {self._job} has not ended within {self._timeout:g} s")
                return False
            case Standing(outcome="failed"):
                raise CallFailed(self.id, self._job, standing.error or "", standing.message or "")
            case Standing(outcome="discarded"):
                raise CallDiscarded(self.id, self._job, f"was discarded: {_why(standing)}")
            case Standing(outcome="cancelled"):
                raise CallCancelled(self.id, self._job, f"was cancelled: {_why(standing)}")
        self.result = None if standing.result is None else orjson.loads(standing.result)
        return True


@contextmanager
def _registered(connection: psycopg.Connection[Any], waits: _Waits) -> Iterator[None]:
    """Behind a pooler no connection stays one's own to listen on; then only looking is left."""
    if settings().pooled:
        yield
        return
    connection.execute(f"LISTEN {CHANNEL}".encode())
    number = awaited.register(connection, waits.id, waits.seconds)
    try:
        yield
    finally:
        if not connection.broken:
            awaited.forget(connection, number)


@asynccontextmanager
async def _aregistered(connection: psycopg.AsyncConnection[Any], waits: _Waits) -> AsyncIterator[None]:
    if settings().pooled:
        yield
        return
    await connection.execute(f"LISTEN {CHANNEL}".encode())
    number = await bridged(connection, lambda tx: awaited.register(tx, waits.id, waits.seconds))
    try:
        yield
    finally:
        if not connection.broken:
            await bridged(connection, lambda tx: awaited.forget(tx, number))


def _why(standing: Standing) -> str:
    return str(orjson.loads(standing.result)["why"]) if standing.result else "nobody said why"


def _refuse_in_vain(id: int, job: str) -> None:
    if id < 0:
        raise LookupError(
            f"call {id} of {job} is in no table: fake_queue or run_as_inline took it; run_now returns what a job returns"
        )
    if current.get() is not None:
        raise RuntimeError(
            "a job must not wait for another call's result: its slot might be the one which that call needs; use chain(), batch() "
            "or workflow(), which go on by themselves"
        )
