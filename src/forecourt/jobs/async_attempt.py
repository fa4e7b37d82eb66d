"""One attempt at a call of an `async def` job."""

from collections.abc import Coroutine, Sequence
from typing import Any

from forecourt import process
from forecourt.jobs.async_transaction import AsyncTransaction, AsyncTransactions
from forecourt.jobs.attempt import arguments, done, stay
from forecourt.jobs.context import RunningCall
from forecourt.jobs.definition import Definition
from forecourt.jobs.middleware import Middleware, surrounded_async
from forecourt.jobs.transaction import ENDED, TransactionEnded


async def run_async(
    job: Definition[..., Any], call: RunningCall, texts: Sequence[str], given: Any, middleware: Sequence[Middleware]
) -> Any:
    """Load the arguments from JSON text, and await the function inside the middleware. What it
    raises goes through. A process that it forked ends here, should it come back.
    """
    forks = process.forks
    args = arguments(job, texts, given)

    async def execute() -> Any:
        try:
            result = await job.function(**args)
        finally:
            stay(forks)
        return done(job, result)

    return await surrounded_async(middleware, call, execute)


async def run_within(opened: AsyncTransaction, coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Await what writes into the transaction, and send what it left to be sent. Raises
    TransactionEnded when it ended the transaction and then raised."""
    try:
        result = await coroutine
        await opened.flush()
        return result
    except TransactionEnded:
        raise
    except BaseException as error:
        if await opened.was_ended():
            raise TransactionEnded(f"{ENDED}; then it raised {type(error).__name__}") from error
        raise


async def run_async_in_foreground(
    job: Definition[..., Any], call: RunningCall, texts: Sequence[str], middleware: Sequence[Middleware]
) -> Any:
    """Run a call that is in no table, and commit its transaction. Raises what it raises, and
    TransactionEnded.
    """
    if job.takes is None:
        return await run_async(job, call, texts, None, middleware)
    transactions = AsyncTransactions(1, "forecourt")
    try:
        async with transactions.begin(job) as opened:
            assert opened is not None
            result = await run_within(opened, run_async(job, call, texts, opened.given, middleware))
            if not await opened.is_whole():
                raise TransactionEnded(ENDED)
            await opened.commit()
            return result
    finally:
        await transactions.close()
