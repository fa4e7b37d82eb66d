"""The completer: outcomes become transitions, in batches."""

import logging
import threading
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import psycopg
from psycopg import Connection
from sqlalchemy.exc import DBAPIError

from forecourt.jobs.job import Job
from forecourt.jobs.outcome import Outcome, Raised
from forecourt.jobs.policy import Defaults
from forecourt.store import calls, limits, minutes, ready, running
from forecourt.store.minutes import BOUNDS, Tally
from forecourt.store.ready import Claimed
from forecourt.store.running import Ended, Lost, Postponed
from forecourt.workers.bundle import loaded
from forecourt.workers.ending import Ending, end
from forecourt.workers.execution import clean
from forecourt.workers.terms import TermsByJob
from forecourt.workers.verdict import Settled, decide

log = logging.getLogger("forecourt.completer")

STUCK = 30.0
"""Seconds until an end that could not be written, not even as a failure, is tried again. When the worker ends, its call goes
back."""


class Completion(NamedTuple):
    """A claimed call and what became of its attempt, after `seconds` of running."""

    call: Claimed
    outcome: Outcome
    seconds: float
    log: tuple[str, ...] = ()


@dataclass(slots=True)
class Round:
    """What one transaction will write."""

    completions: list[Completion] = field(default_factory=list)
    untouched: list[tuple[int, int, str]] = field(default_factory=list)
    started: list[tuple[int, int, float, float | None]] = field(default_factory=list)
    upto: int = 0
    """How many outcomes the completer had been given when this was taken."""

    def __len__(self) -> int:
        return len(self.completions) + len(self.untouched) + len(self.started)


class Completer:
    """Holds outcomes until a transaction writes them. While the database is away they wait here; none is dropped."""

    def __init__(self, jobs: Mapping[str, Job[..., Any]], defaults: Defaults) -> None:
        self._terms = TermsByJob(jobs, defaults)
        self._defaults = defaults
        self._lock = threading.Lock()
        self._round = Round()
        self._stuck: list[tuple[float, Completion]] = []
        self.given = 0
        """How many outcomes it has been given so far."""

    def add(self, completions: Sequence[Completion]) -> None:
        """Take outcomes."""
        with self._lock:
            self._round.completions.extend(completions)
            self.given += len(completions)

    def give_back(self, claims: Iterable[tuple[int, int, str]]) -> None:
        """Take back (id, token, queue) of calls that never started."""
        with self._lock:
            self._round.untouched.extend(claims)

    def note_started(self, started: Sequence[tuple[int, int, float, float | None]]) -> None:
        """Note calls that have been running for a while: (id, token, seconds, timeout)."""
        with self._lock:
            self._round.started.extend(started)

    def __len__(self) -> int:
        return len(self._round)

    def tokens(self) -> set[int]:
        """The run tokens of the calls whose outcomes wait here."""
        with self._lock:
            waiting = {completion.call.token for completion in self._round.completions}
            waiting |= {completion.call.token for _, completion in self._stuck}
            return waiting | {token for _, token, _ in self._round.untouched}

    def take(self) -> Round:
        """All that is waiting."""
        with self._lock:
            now = time.monotonic()
            self._round.completions += [completion for due, completion in self._stuck if due <= now]
            self._stuck = [(due, completion) for due, completion in self._stuck if due > now]
            taken, self._round = self._round, Round()
            taken.upto = self.given
            return taken

    def put_back(self, unwritten: Round) -> None:
        """The transaction failed: wait for the next one. Writing twice does no harm, the second finds nothing."""
        with self._lock:
            self._round.completions[:0] = unwritten.completions
            self._round.untouched[:0] = unwritten.untouched
            self._round.started[:0] = unwritten.started

    def write(self, tx: Connection[Any], worker: int, batch: Round) -> None:
        """Write a round. Acknowledgements of calls that are no longer ours change nothing and are counted as late."""
        endings: list[Ending] = []
        postponed: list[Postponed] = []
        verdicts: list[tuple[Completion, Ended | Lost | Postponed | Settled]] = []
        limited: list[tuple[int, int]] = []
        long = ready.whole(tx, [one.call.id for one in batch.completions if one.call.options is None])
        for completion in batch.completions:
            call, outcome, seconds, log = completion
            policy = self._terms[call.job].policy
            verdict = decide(outcome, call, seconds, policy, self._defaults, log)
            verdicts.append((completion, verdict))
            match verdict:
                case Ended() | Lost():
                    options = call.options or (long[call.id][1] if call.id in long else "{}")
                    endings.append(Ending(verdict, loaded(options), seconds))
                case Postponed():
                    postponed.append(verdict)
            if policy.limit is not None or policy.rate is not None:
                limited.append((call.id, call.token))
        if batch.started:
            running.mark_started(tx, batch.started)
        ours = end(tx, endings) | running.postpone(tx, postponed)
        if batch.untouched:
            running.give_back(tx, [(id, token) for id, token, _ in batch.untouched])
            calls.wake(tx, sorted({queue for _, _, queue in batch.untouched}))
        if limited:
            limits.free(tx, limited)
        minutes.add(tx, worker, _tallies(verdicts, ours))

    def write_singly(self, tx: Connection[Any], worker: int, batch: Round) -> None:
        """Write a round of which something cannot be written. The call whose end it is fails, and says why; the rest is written."""
        self.write(tx, worker, Round(untouched=batch.untouched, started=batch.started))
        for completion in batch.completions:
            reason = self._try_to_write(tx, worker, completion)
            if reason is not None:
                why = f"it ended, but its end cannot be written: {reason}"
                failed = completion._replace(outcome=Raised("OutcomeUnwritable", why, "", final=True), log=())
                if self._try_to_write(tx, worker, failed) is not None:
                    log.error("call %d stays in running until its end can be written", completion.call.id)
                    with self._lock:
                        self._stuck.append((time.monotonic() + STUCK, completion))

    def _try_to_write(self, tx: Connection[Any], worker: int, completion: Completion) -> str | None:
        """Write one outcome, or nothing of it. Returns why it cannot be written, or None."""
        try:
            with tx.transaction():
                self.write(tx, worker, Round([completion]))
        except Exception as error:
            if not is_of_the_outcome(error):
                raise  # it is the database, and may pass
            log.exception("an outcome cannot be written", extra={"call": completion.call.id})
            return clean(str(error).strip() or type(error).__name__)
        return None


def is_of_the_outcome(error: BaseException) -> bool:
    """Whether an error comes from what was to be written, which another try would not mend: a value that PostgreSQL does not take
    (class 22), that breaks a constraint (23), that is too large (54), that somebody's trigger refuses (P0), or that the driver
    cannot send. All else is the database's or the connection's: it is kept, and tried again."""
    if isinstance(error, psycopg.Error):
        refused = (error.sqlstate or "")[:2] in ("22", "23", "54", "P0")
        return refused or (error.sqlstate is None and isinstance(error, psycopg.DataError | psycopg.ProgrammingError))
    return not isinstance(error, DBAPIError | OSError)


def _tallies(
    verdicts: Iterable[tuple[Completion, Ended | Lost | Postponed | Settled]], ours: set[int]
) -> dict[tuple[str, str], Tally]:
    tallies: defaultdict[tuple[str, str], Tally] = defaultdict(Tally)
    for (call, _, seconds, _), verdict in verdicts:
        tally = tallies[call.queue, call.job]
        match verdict:
            case Ended(id=id, outcome="finished") if id in ours:
                tally.finished += 1
            case Settled(late=False):
                tally.finished += 1
            case Settled() | Ended() | Lost() | Postponed() if verdict.id not in ours:
                tally.late += 1
                continue
            case Ended():
                tally.discarded += 1
            case Lost():
                tally.failed += 1
            case Postponed(counted=True):
                tally.retried += 1
            case Postponed():
                tally.released += 1
        tally.run_seconds += seconds
        tally.wait_seconds += call.waited
        tally.run_buckets[bisect_left(BOUNDS, seconds)] += 1
        tally.wait_buckets[bisect_left(BOUNDS, call.waited)] += 1
    return tallies
