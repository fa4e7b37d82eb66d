"""Requests for events that come at the same time are recorded in one statement: while one is under
way, the next ones gather.

So the database sees batches as large as the load makes them, an idle server answers at once, and
whoever is answered knows that the events are committed.
"""

import asyncio
import logging
from collections.abc import Sequence
from time import monotonic

import psycopg
import sqlalchemy.exc
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from forecourt.marketplace.events import Counts, Request, record_requests
from forecourt.web import database

log = logging.getLogger("forecourt.web")

MOST_TOGETHER = 2_000
"""Events in one statement, unless one request has more."""

MOST_WAITING = 20_000
"""Events that wait at most; whoever sends more is told to come back."""


GATHER = 0.006
"""Seconds from the beginning of a transaction to that of the next, at least, once several requests
came together: it costs the same for ten as for a hundred. While one is under way the next ones are
read, so that neither the database nor this process waits for the other.
"""


class EventIntake:
    """Records requests, together where they come together. Its server is one, with one event
    loop.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: list[tuple[Request, asyncio.Future[Counts]]] = []
        self._events = 0
        self._writer: asyncio.Task[None] | None = None

    async def record(self, request: Request) -> Counts:
        """What became of a request's events, once they are committed. Raises HTTPException 503
        while too many wait, 422 for events that the database refuses; and what it raises when it is
        out of reach."""
        loop = self._running()
        if self._events + len(request.events) > MOST_WAITING:
            raise HTTPException(503, "too many events wait to be recorded; send these again", {"Retry-After": "1"})
        answer: asyncio.Future[Counts] = loop.create_future()
        self._waiting.append((request, answer))
        self._events += len(request.events)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        return await answer

    def _running(self) -> asyncio.AbstractEventLoop:
        """The loop at hand. What waited for another waits for ever: its server has ended."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._waiting, self._events, self._writer = loop, [], 0, None
        return loop

    async def _write(self) -> None:
        together: list[tuple[Request, asyncio.Future[Counts]]] = []
        began = 0.0
        while self._waiting:
            if len(together) > 1:
                await asyncio.sleep(began + GATHER - monotonic())
            began = monotonic()
            together = self._next()
            try:
                answers = await run_in_threadpool(_recorded, [request for request, _ in together])
            except Exception as error:  # noqa: BLE001 - whoever waits raises it
                answers = [error] * len(together)
            for (_, waiting), answer in zip(together, answers, strict=True):
                if waiting.done():  # whoever asked is gone
                    continue
                if isinstance(answer, Exception):
                    waiting.set_exception(answer)
                else:
                    waiting.set_result(answer)

    def _next(self) -> list[tuple[Request, asyncio.Future[Counts]]]:
        count = events = 0
        for request, _ in self._waiting:
            events += len(request.events)
            if count and events > MOST_TOGETHER:
                break
            count += 1
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        self._events = sum(len(request.events) for request, _ in self._waiting)
        return taken


def _recorded(requests: Sequence[Request]) -> list[Counts | Exception]:
    """What became of each. If the database refuses something, each request is recorded by
    itself.
    """
    try:
        with database.acting() as tx:
            return list(record_requests(tx, requests))
    except (psycopg.DataError, sqlalchemy.exc.DataError) as error:
        if len(requests) > 1:
            return [answer for request in requests for answer in _recorded([request])]
        words = getattr(error, "diag", None) or getattr(getattr(error, "orig", None), "diag", None)
        return [HTTPException(422, (words and words.message_primary) or "the database refuses these events")]
