"""Works off the real queue in this process, without a worker: claim, execute and complete, by the
worker's own code.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import class_row

from forecourt.app import Forecourt
from forecourt.database import engine, in_transaction_of
from forecourt.database.transactions import Transactions
from forecourt.jobs.context import RunningCall
from forecourt.jobs.foreground import run_to_its_end
from forecourt.jobs.middleware import Middleware
from forecourt.jobs.outcome import Finished, Outcome, Raised
from forecourt.jobs.policy import Defaults, Policy
from forecourt.jobs.registry import Registry
from forecourt.process import own
from forecourt.settings import settings
from forecourt.slots.acknowledge import Acknowledger
from forecourt.slots.completion import Completion
from forecourt.slots.executor import Executor
from forecourt.slots.log_capture import LogCapture
from forecourt.slots.options import WorkOptions
from forecourt.slots.transitions import over_before
from forecourt.store import ready, rescue, running, workers
from forecourt.store.ready import Claimed
from forecourt.version import __version__
from forecourt.workers.stager import Stager

log = logging.getLogger("forecourt.drain")

MOST_RUNS = 100
"""How often one call may run in one drain. More is a call that is released or retried without
end.
"""

MOST_AT_ONCE = 10_000

QUEUES = """
SELECT queue
FROM forecourt.ready
GROUP BY queue
ORDER BY min(id)
"""

# As if nothing happened until the next call is due.
JUMP = """
UPDATE forecourt.scheduled
SET run_at = now()
WHERE (%(queues)s::text[] IS NULL OR queue = ANY (%(queues)s))
  AND run_at = (
      SELECT min(run_at)
      FROM forecourt.scheduled
      WHERE %(queues)s::text[] IS NULL OR queue = ANY (%(queues)s)
  )
"""

# The tallies that every worker keeps; this one's id is its own.
COUNTS = """
SELECT coalesce(sum(finished), 0)::int AS finished,
       coalesce(sum(discarded), 0)::int AS discarded,
       coalesce(sum(retried), 0)::int AS retried,
       coalesce(sum(failed), 0)::int AS failed,
       coalesce(sum(released), 0)::int AS released
FROM forecourt.minutes
WHERE worker = %(worker)s
"""


@dataclass(frozen=True, slots=True)
class Drained:
    """How many attempts ended in which way: `retried` and `released` ones run again, the others are
    over. Calls that were cancelled count as discarded."""

    finished: int = 0
    discarded: int = 0
    retried: int = 0
    failed: int = 0
    released: int = 0


def drain(
    queues: Sequence[str] | None = None,
    *,
    app: Forecourt | None = None,
    until_empty: bool = True,
    include_scheduled: bool = False,
) -> Drained:
    """Execute the calls that are ready in this process, and return how many ended in which way.

    They are those of `app`, inside its middleware; of every job that is declared, without any,
    unless given.
    They end as with a worker: in done, in failed, or scheduled for the next attempt; why an attempt
    failed is logged, not raised. Timeouts and rates are not enforced. `queues` in this order;
    unless given, all, the longest waiting first. It goes on until nothing is ready, so calls that
    were dispatched meanwhile run too; `until_empty=False` runs only what is ready at first. With
    `include_scheduled`, time jumps to the next scheduled call, delayed or to be retried, whenever
    nothing is ready.

    Raises RuntimeError for a call that does not end in 100 attempts. Meant for a database at which
    no worker works.
    """
    chosen = None if queues is None else _checked(queues)
    database = Transactions()
    stager = Stager(database)
    with closing(database), _signed_on(chosen or ()) as worker:
        hand = _Hand(worker, Registry() if app is None else app.jobs)
        while True:
            stager.run_once()
            ran = hand.work(chosen, everything=not until_empty)
            if not ran and include_scheduled and _jump(chosen):
                continue
            if not ran or not until_empty:
                break
        with _transaction() as tx, tx.cursor(row_factory=class_row(Drained)) as cursor:
            return cursor.execute(COUNTS, {"worker": worker}).fetchall()[0]


class _Alarm(Middleware):
    """Hears what was meant for the test run and not for the job that happened to run: Ctrl-C, or a
    time limit of pytest's.
    """

    rung: BaseException | None = None

    def after(self, call: RunningCall, error: BaseException | None) -> None:
        if error is not None and not isinstance(error, Exception | SystemExit):
            self.rung = error


class _Hand:
    """One worker with one slot, both in this process."""

    def __init__(self, worker: int, jobs: Registry) -> None:
        self._worker = worker
        capture = LogCapture()
        self._alarm = _Alarm()
        self._jobs = jobs.within(self._alarm).fixed()
        self._executor = Executor(self._jobs, capture)
        self._capture = capture
        self._acknowledger = Acknowledger(self._jobs, Defaults(), worker)
        self._runs: Counter[int] = Counter()
        self._last: dict[int, Outcome] = {}

    def work(self, queues: Sequence[str] | None, *, everything: bool) -> int:
        """Execute the next call, or everything that is ready now. Returns how many calls that
        were.
        """
        with _transaction() as tx:
            line = [row[0] for row in tx.execute(QUEUES)] if queues is None else list(queues)
            claimed = self._claim(tx, line, MOST_AT_ONCE if everything else 1)
            if claimed and not everything:
                claimed += self._claim(tx, [claimed[0].queue], self._policy_of(claimed[0]).batch or 0)
        left = claimed
        while left:
            together = self._bundle(left)
            self._run(left[:together])
            left = left[together:]
        return len(claimed)

    def _claim(self, tx: psycopg.Connection[Any], queues: Sequence[str], limit: int) -> list[Claimed]:
        return ready.claim(tx, queues=queues, limit=limit, worker=self._worker, slot=None, low={}) if limit else []

    def _run(self, bundle: list[Claimed]) -> None:
        over = [(call, over_before(call, self._policy_of(call), Defaults())) for call in bundle]
        completions = [Completion(call, outcome, 0.0) for call, outcome in over if outcome is not None]
        begun = [call for call, outcome in over if outcome is None]
        for call in begun:
            self._count(call)
        if begun:
            completions += self._execute(begun)
        for completion in completions:
            self._remember(completion)
        with _transaction() as tx:
            self._acknowledger.write(tx, completions)
        if self._alarm.rung is not None:
            raise self._alarm.rung

    def _execute(self, calls: list[Claimed]) -> list[Completion]:
        job = self._jobs.get(calls[0].job)
        if job is not None and job.is_async:
            from forecourt.slots.async_executor import AsyncExecutor

            return run_to_its_end(AsyncExecutor(self._jobs, self._capture, "forecourt").run_all(calls))
        if job is not None and job.policy.batch is not None:
            return self._executor.run_batch(calls)
        return [self._executor.run(call) for call in calls]

    def _policy_of(self, call: Claimed) -> Policy:
        return self._jobs[call.job].policy if call.job in self._jobs else Policy()

    def _bundle(self, calls: Sequence[Claimed]) -> int:
        """How many of the first calls run together."""
        most = self._policy_of(calls[0]).batch or 1
        return next((n for n, call in enumerate(calls[:most]) if call.job != calls[0].job), min(most, len(calls)))

    def _count(self, call: Claimed) -> None:
        self._runs[call.id] += 1
        if self._runs[call.id] > MOST_RUNS:
            last = _sentence(self._last[call.id])
            raise RuntimeError(f"{call.job}, call {call.id}, is not over after {MOST_RUNS} attempts. The last: {last}")

    def _remember(self, completion: Completion) -> None:
        call, outcome = completion.call, completion.outcome
        self._last[call.id] = outcome
        if not isinstance(outcome, Finished):
            trace = f"\n{outcome.traceback}" if isinstance(outcome, Raised) else ""
            log.warning("%s, call %d: %s%s", call.job, call.id, _sentence(outcome), trace)


def _sentence(outcome: Outcome) -> str:
    return f"{outcome.error}: {outcome.message}" if isinstance(outcome, Raised) else str(outcome)


def _checked(queues: Sequence[str]) -> tuple[str, ...]:
    if isinstance(queues, str) or not isinstance(queues, Sequence):
        raise TypeError(f"drain: expected a list of queues, such as ['high', 'low'], not {queues!r}")
    return WorkOptions(queues=tuple(queues)).queues


def _jump(queues: Sequence[str] | None) -> int:
    with _transaction() as tx:
        return tx.execute(JUMP, {"queues": None if queues is None else list(queues)}).rowcount


@contextmanager
def _signed_on(queues: Sequence[str]) -> Iterator[int]:
    """The id of a worker that is this process. If it is interrupted, what it has claimed and not
    run is ready again.
    """
    me = own()
    with _transaction() as tx:
        worker = workers.register(
            tx,
            host=me.host,
            boot=me.boot,
            pid=me.pid,
            pid_started=me.pid_started,
            slots=1,
            queues=queues,
            version=__version__,
            marks=str(settings().var / "run" / f"drain-{me.pid}"),
        )
    try:
        yield worker
    finally:
        with _transaction() as tx:
            running.give_back(tx, [(call.id, call.token) for call in rescue.of_workers(tx, [worker])])
            workers.remove(tx, [worker])


@contextmanager
def _transaction() -> Iterator[psycopg.Connection[Any]]:
    with engine().begin() as connection:
        yield in_transaction_of(connection)
