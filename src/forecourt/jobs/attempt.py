"""One attempt at a call: the function with its arguments, inside the middleware.

Whoever runs a call, in a slot, in a test or by hand, runs it through here.
"""

import asyncio
import os
from collections.abc import Sequence
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

from forecourt.jobs.context import RunningCall
from forecourt.jobs.job import Job
from forecourt.jobs.middleware import surrounded
from forecourt.jobs.transaction import ENDED, TransactionEnded, transaction

NOTHING_RAN = (CoroutineType, GeneratorType, AsyncGeneratorType)
"""What a function returns that only made an object."""


def run(job: Job[..., Any], call: RunningCall, texts: Sequence[str], given: Any) -> Any:
    """Load the arguments from JSON text, one for each call that runs together, and run the function inside the middleware.
    `given` is the session or the connection, for a job that takes one.

    What it raises goes through. A process that the function forked ends here, should it come back.
    """
    process = os.getpid()
    args = arguments(job, texts, given)

    def execute() -> Any:
        try:
            result = job.function(**args)
        finally:
            if os.getpid() != process:
                os._exit(1)  # it would go on with its parent's connections, and report the call a second time
        if isinstance(result, NOTHING_RAN):
            raise TypeError(
                f"job {job.name} returned a {type(result).__name__}: nothing of it has run; make it `async def`, or call "
                "asyncio.run(...) in it"
            )
        return result

    return surrounded(call, execute)


def arguments(job: Job[..., Any], texts: Sequence[str], given: Any) -> dict[str, Any]:
    """The function's keyword arguments. Raises WrongArguments."""
    loaded = [job.arguments.load(text) for text in texts]
    args = loaded[0]
    if job.policy.batch is not None:
        args = {name: [one[name] for one in loaded] for name in args}
    if job.takes is not None:
        args[job.takes] = given
    return args


def run_in_foreground(job: Job[..., Any], call: RunningCall, texts: Sequence[str]) -> Any:
    """Run a call that is in no table, and commit its transaction. Raises what it raises, and TransactionEnded."""
    if job.is_async:
        from forecourt.jobs.async_attempt import run_async_in_foreground

        return asyncio.run(run_async_in_foreground(job, call, texts))
    with transaction(job) as opened:
        result = run(job, call, texts, None if opened is None else opened.given)
        if opened is not None:
            opened.flush()
            if not opened.is_whole():
                raise TransactionEnded(ENDED)
            opened.commit()
        return result
