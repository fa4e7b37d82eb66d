"""The event loop on which a slot's `async def` jobs run, in a thread of its own."""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from forecourt import process
from forecourt.jobs.attempt import stay
from forecourt.slots.async_executor import AsyncExecutor
from forecourt.slots.completion import Completion
from forecourt.store.ready import Claimed

log = logging.getLogger("forecourt.slot")


LONGEST_SILENCE = 1.0
"""Seconds after which the loop should have answered."""


class EventLoop:
    """Runs coroutines; `over` is called in the loop's thread with each one's row and completion."""

    def __init__(self, executor: AsyncExecutor, over: Callable[[int, Completion], None]) -> None:
        self._executor = executor
        self._over = over
        self._loop = asyncio.new_event_loop()
        self._loop.set_task_factory(task_of_one_process)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._answered = True
        self._asked_at = 0.0
        threading.Thread(target=self._live, name="event loop", daemon=True).start()

    def start(self, row: int, call: Claimed) -> None:
        """Begin a call."""
        self._loop.call_soon_threadsafe(self._begin, row, call)

    def look_after(self) -> None:
        """To be called now and then: if the loop has not answered for a second, whoever blocks it
        is named in the log.
        """
        now = time.monotonic()
        if now - self._asked_at < LONGEST_SILENCE:
            return
        if not self._answered:
            task = asyncio.current_task(self._loop)
            log.warning("a coroutine blocks the event loop: %s", "unknown" if task is None else task.get_name())
        self._answered, self._asked_at = False, now
        self._loop.call_soon_threadsafe(self._answer)

    def _answer(self) -> None:
        self._answered = True

    def _live(self) -> None:
        asyncio.set_event_loop(self._loop)
        while True:
            try:
                self._loop.run_forever()
            except (SystemExit, KeyboardInterrupt):
                pass  # a task of a call's own that exits ends the loop, and so may a call: the others go on
            except BaseException:
                log.critical("the event loop is broken, so the slot ends", exc_info=True)
                os._exit(1)

    def _begin(self, row: int, call: Claimed) -> None:
        task = self._loop.create_task(self._run(row, call), name=f"{call.job}, call {call.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, row: int, call: Claimed) -> None:
        try:
            completion = await self._executor.run(call)
        except BaseException:
            log.critical("what runs coroutines is broken, so the slot ends", exc_info=True)
            os._exit(1)
        self._over(row, completion)


class _OfOneProcess(Coroutine[Any, Any, Any]):
    """A coroutine that ends the process which it forked where that comes back. On the event loop
    the child would go on with everybody's calls, on its parent's connections.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine = coroutine
        self._forks = process.forks

    def send(self, value: Any) -> Any:
        try:
            return self._coroutine.send(value)
        finally:
            stay(self._forks)

    def throw(self, *error: Any) -> Any:
        try:
            return self._coroutine.throw(*error)
        finally:
            stay(self._forks)

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._coroutine.__await__()


def task_of_one_process(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
    """A task for a loop whose coroutines may fork."""
    return asyncio.Task(_OfOneProcess(coroutine), loop=loop, **options)
