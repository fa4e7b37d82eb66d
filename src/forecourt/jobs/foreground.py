"""Runs a call that is in no table, here and now: for tests, and for trying out a task."""

import asyncio
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

from forecourt.jobs.attempt import run
from forecourt.jobs.context import RunningCall
from forecourt.jobs.definition import Definition
from forecourt.jobs.middleware import Middleware
from forecourt.jobs.transaction import ENDED, TransactionEnded, transaction

R = TypeVar("R")


def run_to_its_end(coroutine: Coroutine[Any, Any, R]) -> R:
    """Run it on an event loop of its own; beneath one that runs, such as an async test's, in a
    thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(copy_context().run, asyncio.run, coroutine).result()


def run_in_foreground(
    job: Definition[..., Any], call: RunningCall, texts: Sequence[str], middleware: Sequence[Middleware]
) -> Any:
    """Run a call, and commit its transaction. Raises what it raises, and TransactionEnded."""
    if job.is_async:
        from forecourt.jobs.async_attempt import run_async_in_foreground

        return run_to_its_end(run_async_in_foreground(job, call, texts, middleware))
    with transaction(job) as opened:
        result = run(job, call, texts, None if opened is None else opened.given, middleware)
        if opened is not None:
            opened.flush()
            if not opened.is_whole():
                raise TransactionEnded(ENDED)
            opened.commit()
        return result
