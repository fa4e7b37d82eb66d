"""Executes calls: runs the function, and for a job with a session or a connection commits its
effects together with the call's end."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from sqlalchemy.exc import DBAPIError

from forecourt.database import engine, in_transaction_of
from forecourt.database.kept_connection import KeptConnection
from forecourt.jobs.arguments import WrongArguments
from forecourt.jobs.attempt import run
from forecourt.jobs.context import RunningCall, current
from forecourt.jobs.definition import Definition
from forecourt.jobs.outcome import (
    FINISHED,
    ClaimLost,
    Discard,
    Discarded,
    Finished,
    Interrupted,
    NotKnownHere,
    Outcome,
    Raised,
    Release,
    Released,
    Unknown,
)
from forecourt.jobs.registry import Jobs
from forecourt.jobs.results import ResultUnusable, circumstances, raised, result_text, sqlstate, words
from forecourt.jobs.transaction import ENDED, Transaction, TransactionEnded, transaction
from forecourt.logs import doing
from forecourt.slots.completion import Completion
from forecourt.slots.history import success_entry
from forecourt.slots.log_capture import LogCapture
from forecourt.store import json_text, ready, running
from forecourt.store.ending import go_on
from forecourt.store.ready import Claimed
from forecourt.store.running import NO_OPTIONS, Ended

AFTER_INTERRUPTION = 1.0


class ClaimIsLost(Exception):
    """A call is no longer this slot's."""


class Executor:
    """Executes calls in this process. What it raises nobody need catch: whatever happens is in the
    completions. Sessions are on the `kept` connection, if there is one: then it runs one call at a
    time.
    """

    def __init__(self, jobs: Jobs, capture: LogCapture | None = None, kept: KeptConnection | None = None) -> None:
        self._jobs = jobs
        self._capture = capture or LogCapture()
        self.kept = kept
        self.worked: float | None = None
        """Seconds that the latest call took until its end and its effects were to be committed,
        None when it came to no such end."""

    def run(self, call: Claimed) -> Completion:
        """Execute one call."""
        begun = time.perf_counter()
        self.worked = None
        job = self._jobs.get(call.job)
        if job is None:
            return Completion(call, unknown(call.job), 0.0)
        self._capture.begin()
        outcome = self._attempt(job, [call])
        return Completion(call, outcome, time.perf_counter() - begun, self._capture.lines())

    def run_batch(self, calls: Sequence[Claimed]) -> list[Completion]:
        """Execute calls of one batched job together; if that raises they are halved until the
        guilty call stands alone.
        """
        begun = time.perf_counter()
        self._capture.begin()
        outcome = self._attempt(self._jobs[calls[0].job], calls)
        share = (time.perf_counter() - begun) / len(calls)
        if isinstance(outcome, Finished | Interrupted) or len(calls) == 1 or _is_of_no_half(outcome):
            log = self._capture.lines()
            return [Completion(call, outcome, share, log if call is calls[0] else ()) for call in calls]
        half = len(calls) // 2
        return self.run_batch(calls[:half]) + self.run_batch(calls[half:])

    def _attempt(self, job: Definition[..., Any], calls: Sequence[Claimed]) -> Outcome:
        try:
            return self._execute(job, [whole(call) for call in calls])
        except ClaimIsLost:
            return ClaimLost()
        except (DBAPIError, psycopg.Error) as error:
            return Interrupted(f"its arguments could not be read: {words(error)}", AFTER_INTERRUPTION)

    def _execute(self, job: Definition[..., Any], calls: Sequence[Claimed]) -> Outcome:
        with attempting(job, calls[0]) as call:
            begun = time.perf_counter()
            texts, exact = [one.args for one in calls], "exact" in call.options
            try:
                if job.takes is None:
                    result = run(job, call, texts, None, self._jobs.middleware)
                    return FINISHED if result is None else Finished(result_text(result, exact=exact))
                with transaction(job, self.kept) as opened:
                    assert opened is not None
                    result = run_within(opened, lambda: run(job, call, texts, opened.given, self._jobs.middleware))
                    text = result_text(result, exact=exact)
                    self._end(opened, calls, text, time.perf_counter() - begun)
                    return Finished(text, committed=True)
            except BaseException as error:  # noqa: BLE001 - any end of the function is an outcome
                return outcome_of(error, job)

    def _end(self, opened: Transaction, calls: Sequence[Claimed], result: str | None, seconds: float) -> None:
        """End the calls in the job's transaction, and commit it. Raises TransactionEnded unless it
        is the one that was begun for them, and ClaimIsLost unless all of them are still ours:
        nothing is committed then."""
        self.worked = seconds
        log = success_entry(calls[0].attempts, seconds, self._capture.lines())
        ends = [
            Ended(call.id, call.token, seconds, "finished", result, None if n else log, loaded(call.options))
            for n, call in enumerate(calls)
        ]
        try:
            end_with_effects(opened, ends)
        except (DBAPIError, psycopg.Error) as error:
            raise refusal(error) or error from None


def end_with_effects(opened: Transaction, ends: Sequence[Ended]) -> None:
    """End calls in the transaction of their effects, and commit it: in one message, unless
    something follows from them. The database refuses, and nothing is committed, unless it is that
    transaction and all of them are still ours."""
    last = running.finishing_within(opened.tx, ends, opened.mark)
    if any(over.options for over in ends):
        opened.tx.execute(last.encode(), prepare=False)
        go_on(opened.tx, [over for over in ends if over.options])
        last = ""
    opened.commit(last)


class attempting:  # noqa: N801 - a context manager, and half the time of a generator
    """While the block runs, this is the call that runs."""

    __slots__ = ("_call", "_in_call", "_in_log")

    def __init__(self, job: Definition[..., Any], call: Claimed) -> None:
        self._call = RunningCall(call.id, job.name, call.attempts + 1, loaded(call.options), job.extras, call.queue)

    def __enter__(self) -> RunningCall:
        call = self._call
        self._in_call = current.set(call)
        self._in_log = doing.set({"job": call.job, "call": call.id, "attempt": call.attempt})
        return call

    def __exit__(self, *_: object) -> None:
        doing.reset(self._in_log)
        current.reset(self._in_call)


def run_within(opened: Transaction, function: Callable[[], Any]) -> Any:
    """Run what writes into the transaction, and send what it left to be sent. Raises
    TransactionEnded when it ended the transaction and then raised."""
    try:
        result = function()
        opened.flush()
        return result
    except TransactionEnded:
        raise
    except BaseException as error:
        if opened.was_ended():
            raise TransactionEnded(f"{ENDED}; then it raised {type(error).__name__}") from error
        raise


def outcome_of(error: BaseException, job: Definition[..., Any]) -> Outcome:
    """What an attempt that raised ended as."""
    match error:
        case WrongArguments() | TransactionEnded() | ResultUnusable():
            return raised(error, final=True)
        case ClaimIsLost():
            return ClaimLost()
        case Release():
            return Released(error.delay, words(error.why))
        case Discard():
            return Discarded(words(error.why))
        case NotKnownHere():
            return Unknown(words(error))
        case DBAPIError() | psycopg.OperationalError() if job.takes is not None:
            why = circumstances(error)
            if why is not None:
                return Interrupted(why, AFTER_INTERRUPTION)
    return raised(error, final=isinstance(error, job.policy.fail_on))


def refusal(error: DBAPIError | psycopg.Error) -> Exception | None:
    """What the database means by refusing to end calls together with their effects; None if that is
    not what it says.
    """
    match sqlstate(error):
        case running.NOT_WITHIN:
            return TransactionEnded(ENDED)
        case running.NOT_OURS:
            return ClaimIsLost()
    return None


def unknown(job: str) -> Unknown:
    """The outcome of a call whose job this process does not have."""
    return Unknown(
        f"no job is named {job!r} here (its module is not imported where the application is made, or this code is older or newer)"
    )


def whole(call: Claimed) -> Claimed:
    """The call with what was too long to come with its claim. Raises ClaimIsLost."""
    if call.args and call.options:
        return call
    with engine().connect() as connection:
        found = ready.whole(in_transaction_of(connection), [call.id])
    args, options, token = found.get(call.id, ("", "", None))
    if token != call.token:
        raise ClaimIsLost
    return call._replace(args=args, options=options)


def loaded(options: str) -> dict[str, Any]:
    """A call's options from their JSON text; most have none."""
    return NO_OPTIONS if options == "{}" else dict(json_text.loads(options))


def _is_of_no_half(outcome: Outcome) -> bool:
    """Whether running a part of the batch again could repeat what is committed already."""
    return isinstance(outcome, Raised) and outcome.error.endswith(TransactionEnded.__qualname__)
