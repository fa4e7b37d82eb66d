"""Executes calls of `async def` jobs: any number at a time on one event loop, each in a transaction
of its own.
"""

import time
from collections.abc import Sequence
from typing import Any

import psycopg
from sqlalchemy.exc import DBAPIError

from forecourt.database.bridge import bridged
from forecourt.jobs.async_attempt import run_async, run_within
from forecourt.jobs.async_transaction import AsyncTransaction, AsyncTransactions
from forecourt.jobs.definition import Definition
from forecourt.jobs.outcome import FINISHED, ClaimLost, Finished, Interrupted, Outcome
from forecourt.jobs.registry import Jobs
from forecourt.jobs.results import result_text, words
from forecourt.slots.completion import Completion
from forecourt.slots.executor import (
    AFTER_INTERRUPTION,
    ClaimIsLost,
    attempting,
    loaded,
    outcome_of,
    refusal,
    whole,
)
from forecourt.slots.history import success_entry
from forecourt.slots.log_capture import LogCapture
from forecourt.store import running
from forecourt.store.ending import go_on
from forecourt.store.ready import Claimed
from forecourt.store.running import Ended


class AsyncExecutor:
    """Executes calls on the running event loop. Whatever happens is in the completions."""

    def __init__(self, jobs: Jobs, capture: LogCapture, application_name: str) -> None:
        self._jobs = jobs
        self._capture = capture
        self._name = application_name
        self._transactions: AsyncTransactions | None = None

    async def run(self, call: Claimed) -> Completion:
        """Execute one call."""
        begun = time.perf_counter()
        self._capture.begin()
        outcome = await self._attempt(self._jobs[call.job], call)
        return Completion(call, outcome, time.perf_counter() - begun, self._capture.lines())

    async def run_all(self, calls: Sequence[Claimed]) -> list[Completion]:
        """Execute calls one after the other, on a loop that ends with them."""
        try:
            return [await self.run(call) for call in calls]
        finally:
            if self._transactions is not None:
                await self._transactions.close()

    async def _attempt(self, job: Definition[..., Any], call: Claimed) -> Outcome:
        try:
            all_of_it = whole(call)
        except ClaimIsLost:
            return ClaimLost()
        except (DBAPIError, psycopg.Error) as error:
            return Interrupted(f"its arguments could not be read: {words(error)}", AFTER_INTERRUPTION)
        with attempting(job, all_of_it) as current:
            begun = time.perf_counter()
            texts, exact = [all_of_it.args], "exact" in current.options
            try:
                if job.takes is None:
                    result = await run_async(job, current, texts, None, self._jobs.middleware)
                    return FINISHED if result is None else Finished(result_text(result, exact=exact))
                async with self._open().begin(job) as opened:
                    assert opened is not None
                    running_now = run_async(job, current, texts, opened.given, self._jobs.middleware)
                    written = await run_within(opened, running_now)
                    text = result_text(written, exact=exact)
                    await self._end(opened, all_of_it, text, time.perf_counter() - begun)
                    return Finished(text, committed=True)
            except BaseException as error:  # noqa: BLE001 - any end of the function is an outcome
                return outcome_of(error, job)

    async def _end(self, opened: AsyncTransaction, call: Claimed, result: str | None, seconds: float) -> None:
        """End the call in the job's transaction, and commit it. Raises TransactionEnded unless it
        is the one that was begun for it, and ClaimIsLost unless it is still ours."""
        log = success_entry(call.attempts, seconds, self._capture.lines())
        over = Ended(call.id, call.token, seconds, "finished", result, log, loaded(call.options))
        last = running.finishing_within(opened.tx, [over], opened.mark)
        try:
            if over.options:
                await opened.tx.execute(last.encode(), prepare=False)
                await bridged(opened.tx, lambda tx: go_on(tx, [over]))
                last = ""
            await opened.commit(last)
        except psycopg.Error as error:
            raise refusal(error) or error from None

    def _open(self) -> AsyncTransactions:
        if self._transactions is None:
            most = max(job.policy.concurrency for job in self._jobs.values())
            self._transactions = AsyncTransactions(min(most, MOST_CONNECTIONS), self._name)
        return self._transactions


MOST_CONNECTIONS = 20
"""Sessions that the coroutines of a slot have open at once; more of them wait for one. PostgreSQL
allows a hundred in all.
"""
