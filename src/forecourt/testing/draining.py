"""Works off the real queue in this process, without a worker: claim, execute and complete, by the worker's own code."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import class_row

from forecourt.database import engine, in_transaction_of
from forecourt.jobs.context import RunningCall
from forecourt.jobs.job import registry
from forecourt.jobs.middleware import Middleware, use
from forecourt.jobs.outcome import Cancelled, Expired, Finished, Outcome, Raised
from forecourt.jobs.policy import Defaults
from forecourt.settings import settings
from forecourt.store import ready, running, workers
from forecourt.store.ready import Claimed, LowWater
from forecourt.version import __version__
from forecourt.workers.buffer import Buffer
from forecourt.workers.bundle import item
from forecourt.workers.completer import Completer, Completion
from forecourt.workers.execution import Execution
from forecourt.workers.identity import own
from forecourt.workers.options import WorkOptions
from forecourt.workers.stager import Stager

log = logging.getLogger("forecourt.drain")

MOST_RUNS = 100
"""How often one call may run in one drain. More is a call that is released or retried without end."""

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
    """How many attempts ended in which way: `retried` and `released` ones run again, the others are over. Calls that were cancelled
    count as discarded."""

    finished: int = 0
    discarded: int = 0
    retried: int = 0
    failed: int = 0
    released: int = 0


def drain(queues: Sequence[str] | None = None, *, until_empty: bool = True, include_scheduled: bool = False) -> Drained:
    """Execute the calls that are ready in this process, and return how many ended in which way.

    They end as with a worker: in done, in failed, or scheduled for the next attempt; why an attempt failed is logged, not raised.
    Timeouts and rates are not enforced. `queues` in this order; unless given, all, the longest waiting first. It goes on until
    nothing is ready, so calls that were dispatched meanwhile run too; `until_empty=False` runs only what is ready at first. With
    `include_scheduled`, time jumps to the next scheduled call, delayed or to be retried, whenever nothing is ready.

    Raises RuntimeError for a call that does not end in 100 attempts. Meant for a database at which no worker works.
    """
    chosen = None if queues is None else _checked(queues)
    with _signed_on(chosen or ()) as worker:
        hand = _Hand(worker)
        while True:
            Stager().run_once()
            ran = hand.work(chosen, everything=not until_empty)
            if not ran and include_scheduled and _jump(chosen):
                continue
            if not ran or not until_empty:
                break
        with _transaction() as tx, tx.cursor(row_factory=class_row(Drained)) as cursor:
            return cursor.execute(COUNTS, {"worker": worker}).fetchall()[0]


class _Alarm(Middleware):
    """Hears what was meant for the test run and not for the job that happened to run: Ctrl-C, or a time limit of pytest's."""

    rung: BaseException | None = None

    def after(self, call: RunningCall, error: BaseException | None) -> None:
        if error is not None and not isinstance(error, Exception | SystemExit):
            self.rung = error


class _Hand:
    """One worker with one slot, both in this process."""

    def __init__(self, worker: int) -> None:
        self._worker = worker
        self._execution = Execution(registry, engine)
        self._completer = Completer(registry, Defaults())
        self._runs: Counter[int] = Counter()
        self._last: dict[int, Outcome] = {}
        self._alarm = _Alarm()
        use(self._alarm)

    def work(self, queues: Sequence[str] | None, *, everything: bool) -> int:
        """Execute the next call, or everything that is ready now. Returns how many calls that were."""
        with _transaction() as tx:
            line = [row[0] for row in tx.execute(QUEUES)] if queues is None else list(queues)
            claimed: list[Claimed] = []
            for queue in line:
                claimed += self._claim(tx, queue, MOST_AT_ONCE if everything else 1)
                if claimed and not everything:
                    claimed += self._claim(tx, queue, _batch_of(claimed[0].job) - 1)
                    break
        buffer = Buffer(line)
        buffer.add(claimed)
        while bundle := buffer.next_bundle(_batch_of):
            self._run(bundle)
        return len(claimed)

    def _claim(self, tx: psycopg.Connection[Any], queue: str, limit: int) -> list[Claimed]:
        return ready.claim(tx, queue=queue, limit=limit, worker=self._worker, low=LowWater())

    def _run(self, bundle: list[Claimed]) -> None:
        begun: dict[int, Claimed] = {}
        for call in bundle:
            if over := _over(call):
                self._complete(call, over, 0.0)
            else:
                self._count(call)
                begun[call.id] = call
        items = [item(call) for call in begun.values()]
        reports = self._execution.run(bundle[0].job, items) if items else []
        for report in reports:
            self._complete(begun[report.id], report.outcome, report.seconds)
        with _transaction() as tx:
            self._completer.write(tx, self._worker, self._completer.take())
        if self._alarm.rung is not None:
            raise self._alarm.rung

    def _count(self, call: Claimed) -> None:
        self._runs[call.id] += 1
        if self._runs[call.id] > MOST_RUNS:
            last = _told(self._last[call.id])
            raise RuntimeError(f"{call.job}, call {call.id}, is not over after {MOST_RUNS} attempts. The last: {last}")

    def _complete(self, call: Claimed, outcome: Outcome, seconds: float) -> None:
        self._completer.add([Completion(call, outcome, seconds)])
        self._last[call.id] = outcome
        if not isinstance(outcome, Finished):
            trace = f"\n{outcome.traceback}" if isinstance(outcome, Raised) else ""
            log.warning("%s, call %d: %s%s", call.job, call.id, _told(outcome), trace)


def _told(outcome: Outcome) -> str:
    return f"{outcome.error}: {outcome.message}" if isinstance(outcome, Raised) else str(outcome)


def _over(call: Claimed) -> Outcome | None:
    """What became of a call that must not run any more."""
    if call.unwanted:
        return Cancelled()
    limit = registry[call.job].policy.retry_until if call.job in registry else None
    return Expired(limit) if limit is not None and call.age > limit else None


def _checked(queues: Sequence[str]) -> tuple[str, ...]:
    if isinstance(queues, str):
        raise TypeError(f"drain: expected a list of queues, such as ['high', 'low'], not {queues!r}")
    return WorkOptions(queues=tuple(queues)).queues


def _batch_of(job: str) -> int:
    return (registry[job].policy.batch or 1) if job in registry else 1


def _jump(queues: Sequence[str] | None) -> int:
    with _transaction() as tx:
        return tx.execute(JUMP, {"queues": None if queues is None else list(queues)}).rowcount


@contextmanager
def _signed_on(queues: Sequence[str]) -> Iterator[int]:
    """The id of a worker that is this process. If it is interrupted, what it has claimed and not run is ready again."""
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
            running.give_back(tx, [(call.id, call.token) for call in running.of_workers(tx, [worker])])
            workers.remove(tx, [worker])


@contextmanager
def _transaction() -> Iterator[psycopg.Connection[Any]]:
    with engine().begin() as connection:
        yield in_transaction_of(connection)
