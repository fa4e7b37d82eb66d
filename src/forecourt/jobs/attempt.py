"""One attempt at a call: the function with its arguments, inside the middleware.

Whoever runs a call, in a slot, in a test or by hand, runs it through here.
"""

import os
from collections.abc import Sequence
from contextvars import copy_context
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

from forecourt import process
from forecourt.jobs.context import RunningCall
from forecourt.jobs.definition import Definition
from forecourt.jobs.middleware import Middleware, surrounded
from forecourt.jobs.outcome import Discard, Release


def run(
    job: Definition[..., Any], call: RunningCall, texts: Sequence[str], given: Any, middleware: Sequence[Middleware]
) -> Any:
    """Load the arguments from JSON text, one for each call that runs together, and run the function
    inside the middleware. `given` is the session or the connection, for a job that takes one.

    What it raises goes through. A process that the function forked ends here, should it come back.
    """
    forks = process.forks
    args = arguments(job, texts, given)

    def execute() -> Any:
        try:
            result = job.function(**args)
        finally:
            stay(forks)
        return done(job, result)

    # In a copy of the context: a variable that the call sets, say its tenant, is its own.
    return copy_context().run(surrounded, middleware, call, execute)


def done(job: Definition[..., Any], result: Any) -> Any:
    """What the function returned. Raises TypeError for an object that has still to be run or
    raised: its call would end as if that had happened.
    """
    match result:
        case None:  # as nearly all do
            return None
        case CoroutineType() | GeneratorType() | AsyncGeneratorType():
            if isinstance(result, CoroutineType):
                result.close()  # Python would warn of it, wherever it is collected
            instead = "await it" if job.is_async else "make it `async def`, or call asyncio.run(...) in it"
            raise TypeError(f"job {job.name} returned a {type(result).__name__}: nothing of it has run; {instead}")
        case Release() | Discard():
            raise TypeError(f"job {job.name} returned a {type(result).__name__}, which has to be raised")
    return result


def stay(forks: int) -> None:
    """End a process that forked off this one since `process.forks` was read. It would go on with
    its parent's connections, and report the call a second time.
    """
    if process.forks != forks:
        os._exit(1)


def arguments(job: Definition[..., Any], texts: Sequence[str], given: Any) -> dict[str, Any]:
    """The function's keyword arguments. Raises WrongArguments."""
    args = job.arguments.load(texts[0]) if job.policy.batch is None else job.arguments.load_batch(texts)
    if job.takes is not None:
        args[job.takes] = given
    return args
