"""Group commit: calls of a job that share one transaction, each behind a savepoint of its own.

One that raises is rolled back alone. One that fails for its company (a deadlock, a lock waited for
too long) is rolled back, those before it are committed, and it runs by itself. When the transaction
as a whole comes to nothing (a commit that fails, a claim that was lost), all its calls run one by
one. Either makes the next groups smaller.
"""

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import zip_longest
from typing import Any, NamedTuple

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy.exc import DBAPIError

from forecourt.database.connecting import DatabaseUnreachable, connect
from forecourt.database.kept_connection import KeptConnection
from forecourt.jobs.attempt import run
from forecourt.jobs.definition import Definition
from forecourt.jobs.middleware import Middleware
from forecourt.jobs.outcome import FINISHED, Finished
from forecourt.jobs.registry import Jobs
from forecourt.jobs.results import circumstances, raised, result_text, sqlstate
from forecourt.jobs.transaction import ENDED, Transaction, TransactionEnded, send, transaction
from forecourt.slots.completion import Completion
from forecourt.slots.executor import (
    ClaimIsLost,
    Executor,
    attempting,
    end_with_effects,
    outcome_of,
    whole,
)
from forecourt.slots.history import success_entry
from forecourt.slots.log_capture import LogCapture
from forecourt.store.ready import Claimed
from forecourt.store.running import Ended

log = logging.getLogger("forecourt.slot")

LONGEST = 0.02
"""Seconds after which a group is committed: what it has locked, others wait for."""

PATIENCE, MOST_PATIENCE = 1.25, 50.0
"""Milliseconds for which a group waits for what somebody else has locked: so many for each call
that may share it, and at most. Where few do, waiting costs more than the commits that it saves."""

FIRST = b"SAVEPOINT forecourt_call"
SECOND = b"RELEASE SAVEPOINT forecourt_call; SET LOCAL lock_timeout = '%dms'; SAVEPOINT forecourt_call"
"""The first call may wait, as it would by itself."""

NEXT = b"RELEASE SAVEPOINT forecourt_call; SAVEPOINT forecourt_call"
LAST = b"RELEASE SAVEPOINT forecourt_call"
"""They fail where a call has ended the transaction by hand, its savepoint with it."""

UNDO = b"ROLLBACK TO SAVEPOINT forecourt_call"

FIRST_SIZE, FIRST_TRIAL = 4, 8

LONGEST_TRIAL = 4096
"""Calls that must have gone well in a row, at most, before larger groups are tried again."""

OF_COMPANY = ("55P03", "40P01", "40001", "42P07", "42P03", "25001")
"""Codes of errors that a call may have for its company alone: a lock that is held, a deadlock, a
snapshot that is too old, a temporary table or a cursor that one before it has made under the same
name, and what only a transaction's first statement may say, as its isolation level."""

OF_ALL = ("3B001", "25P01")
"""Codes of errors that say that a savepoint or the transaction was ended."""

STATUS = "SELECT pg_xact_status(%(xid)s::text::xid8)"


class Grouped(NamedTuple):
    """What became of the calls that began, in their order; and whether the next one was taken
    back.
    """

    completions: list[Completion]
    cut: bool


class Size:
    """How many calls of a job share a commit: half as many after a group that failed, or one of
    whose calls did for its company, a quarter more after so many calls went well as it takes, which
    is four times as many after each failure. So where groups stand in each other's way they are
    seldom tried: one that waited in vain has cost as much as a dozen calls."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._trial = FIRST_TRIAL
        self._well = 0
        self.calls = min(FIRST_SIZE, most)

    def went_well(self, count: int) -> None:
        """So many calls, together or one by one."""
        self._well += count
        if self._well >= self._trial and self.calls < self._most:
            self._well = 0
            self.calls = min(self._most, self.calls + max(1, self.calls // 4))

    def failed(self) -> None:
        """A group did, or one of its calls for its company."""
        self._well = 0
        self._trial = min(4 * self._trial, LONGEST_TRIAL)
        self.calls = max(1, self.calls // 2)


class Groups:
    """Runs groups, and learns how large they may be."""

    def __init__(self, executor: Executor, jobs: Jobs, capture: LogCapture) -> None:
        self._executor = executor
        self._jobs = jobs
        self._capture = capture
        self._sizes: dict[str, Size] = {}

    def run(self, calls: Sequence[Claimed], begin: Callable[[int], bool], again: Callable[[int], None]) -> Grouped:
        """Run as many of these calls of one job as fit into a group, the first at least. `begin` is
        asked before each begins, and `again` told of each that begins anew."""
        job = self._jobs[calls[0].job]
        size = self._sizes.setdefault(job.name, Size(job.policy.commit_together or 1))
        if not begin(0):
            return Grouped([], True)
        if size.calls == 1 or len(calls) == 1:
            size.went_well(1)
            return Grouped([self._alone(calls[0])], False)
        group = _Group(job, self._jobs.middleware, self._capture, self._executor.kept)
        cut = group.run(calls[: size.calls], begin, again)
        if group.failed:
            size.failed()
        else:
            size.went_well(len(group.calls))
        return Grouped([known or self._once_more(call, n, again) for n, (call, known) in enumerate(group.calls)], cut)

    def _once_more(self, call: Claimed, n: int, again: Callable[[int], None]) -> Completion:
        again(n)
        return self._alone(call)

    def _alone(self, call: Claimed) -> Completion:
        """Run it with a commit of its own, which does not count as its work: where commits take
        long, the slot would claim one call at a time from then on, and never have two to share one.
        """
        completion = self._executor.run(call)
        seconds = completion.seconds if self._executor.worked is None else self._executor.worked
        return completion._replace(seconds=seconds)


class _Group:
    """One group. `calls` are those that began, each with what became of it; None for those that
    have to run once more.
    """

    def __init__(
        self,
        job: Definition[..., Any],
        middleware: Sequence[Middleware],
        capture: LogCapture,
        kept: KeptConnection | None,
    ) -> None:
        self.calls: list[tuple[Claimed, Completion | None]] = []
        self.failed = False
        self._job = job
        self._middleware = middleware
        self._capture = capture
        self._kept = kept
        self._ends: list[Ended] = []
        self._done: list[Completion] = []
        self._guilty: Claimed | None = None
        self._xid = ""

    def run(self, calls: Sequence[Claimed], begin: Callable[[int], bool], again: Callable[[int], None]) -> bool:
        """Run them, the first of which has begun. Returns whether one of them was taken back."""
        begun: list[Claimed] = []
        cut = False
        until = time.perf_counter() + LONGEST
        second = SECOND % min(PATIENCE * len(calls), MOST_PATIENCE)
        try:
            with transaction(self._job, self._kept) as opened:
                assert opened is not None
                self._xid = opened.tx.execute("SELECT pg_current_xact_id()::text").fetchall()[0][0]
                for n, call in enumerate(calls):
                    if n and time.perf_counter() > until:
                        break
                    send(opened.tx, (FIRST, second, NEXT)[min(n, 2)])
                    if n and not begin(n):
                        cut = True
                        break
                    begun.append(call)
                    if not self._attempt(opened, call):
                        self.failed = True
                        break
                send(opened.tx, LAST)
                self._guilty = None
                end_with_effects(opened, self._ends)
                self.calls = list(zip_longest(begun, self._done))
                return cut
        except (DBAPIError, psycopg.Error, ClaimIsLost, _Apart):
            pass
        self.failed = True
        self._tell_apart(begun, again)
        return cut

    def _attempt(self, opened: Transaction, call: Claimed) -> bool:
        """Whether its end is known; not when it failed for its company."""
        self._capture.begin()
        self._guilty = call
        began = time.perf_counter()
        all_of_it = whole(call)
        with attempting(self._job, all_of_it) as running:
            try:
                result = run(self._job, running, [all_of_it.args], opened.given, self._middleware)
                text = result_text(result, exact="exact" in running.options)
                opened.flush()
                opened.forget()
                if opened.tx.info.transaction_status != TransactionStatus.INTRANS:
                    send(opened.tx, LAST)  # raises, and says why
            except BaseException as error:
                if opened.was_ended() or _is_of_all(opened, error):
                    raise _Apart from error
                opened.forget()
                send(opened.tx, UNDO)
                if _is_of_its_company(error):
                    return False
                seconds = time.perf_counter() - began
                self._done.append(Completion(call, outcome_of(error, self._job), seconds, self._capture.lines()))
                return True
        seconds = time.perf_counter() - began
        log = success_entry(call.attempts, seconds, self._capture.lines())
        self._ends.append(Ended(call.id, call.token, seconds, "finished", text, log, running.options))
        self._done.append(Completion(call, Finished(text, committed=True), seconds))
        return True

    def _tell_apart(self, begun: Sequence[Claimed], again: Callable[[int], None]) -> None:
        """What became of each, when the transaction came to nothing, unless a call had committed it
        by hand: then those before it have had their effects, and it is to blame."""
        if self._guilty is None or not self._was_committed(partial(again, len(begun) - 1)):
            self.calls = [(call, None) for call in begun]
            return
        blame = raised(TransactionEnded(ENDED), final=True)
        before = [done for done in self._done if done.call is not self._guilty]
        self.calls = [(done.call, done._replace(outcome=_uncommitted(done.outcome))) for done in before]
        self.calls.append((self._guilty, Completion(self._guilty, blame, 0.0, self._capture.lines())))

    def _was_committed(self, again: Callable[[], None]) -> bool:
        """Asked until the database answers: whoever does not know would repeat effects. `again`
        keeps the call that ran last from being taken for one that hangs meanwhile.
        """
        while True:
            try:
                with connect(autocommit=True) as connection:
                    return connection.execute(STATUS, {"xid": self._xid}).fetchone() == ("committed",)
            except (DatabaseUnreachable, psycopg.Error) as error:
                log.warning("what became of a group of %s is asked again in 1 s: %s", self._job.name, error)
            again()
            time.sleep(1)


class _Apart(Exception):
    """The group comes to nothing as a whole."""


def _is_of_all(opened: Transaction, error: BaseException) -> bool:
    """Whether an error is a reason to run every call of the group by itself."""
    if opened.tx.info.transaction_status == TransactionStatus.IDLE:
        return True
    if not isinstance(error, DBAPIError | psycopg.Error):
        return isinstance(error, TransactionEnded)
    if _is_of_its_company(error):
        return False
    return sqlstate(error) in OF_ALL or circumstances(error) is not None


def _is_of_its_company(error: BaseException) -> bool:
    """Whether the call may go well by itself."""
    return isinstance(error, DBAPIError | psycopg.Error) and sqlstate(error) in OF_COMPANY


def _uncommitted(outcome: Any) -> Any:
    if isinstance(outcome, Finished):
        return FINISHED if outcome.result is None else Finished(outcome.result)
    return outcome
