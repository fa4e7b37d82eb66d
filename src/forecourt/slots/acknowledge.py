"""Acknowledges: outcomes become transitions, many in one transaction."""

import logging
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psycopg
from psycopg import Connection
from sqlalchemy.exc import DBAPIError

from forecourt.jobs.definition import Definition
from forecourt.jobs.outcome import Raised, Unknown
from forecourt.jobs.policy import Defaults, Policy
from forecourt.slots.completion import Completion
from forecourt.slots.executor import loaded
from forecourt.slots.transitions import Settled, Transition, decide
from forecourt.store import limits, minutes, ready, running
from forecourt.store.ending import end
from forecourt.store.minutes import BOUNDS, Tally
from forecourt.store.running import Ended, Failed, Postponed
from forecourt.store.storable import storable

log = logging.getLogger("forecourt.slot")


class Acknowledger:
    """Writes what became of calls. `writer` is in whose name they are counted."""

    def __init__(self, jobs: Mapping[str, Definition[..., Any]], defaults: Defaults, writer: int) -> None:
        self._jobs = jobs
        self._defaults = defaults
        self._writer = writer
        self._said: set[str] = set()
        """The unknown jobs that the log has named: their calls come back twice a minute."""

    def write(self, tx: Connection[Any], completions: Sequence[Completion], pid: int | None = None) -> None:
        """Write these ends. Those of calls that are no longer ours change nothing and are counted
        as late. `pid`: the process in which they ran, where that is not this one.
        """
        ends: list[Ended | Failed] = []
        postponed: list[Postponed] = []
        transitions: list[tuple[Completion, Transition]] = []
        limited: list[tuple[int, int]] = []
        long = ready.whole(tx, [done.call.id for done in completions if not done.call.options])
        for completion in completions:
            call, outcome, seconds, lines = completion
            policy = self._policy_of(call.job)
            text = call.options or (long[call.id][1] if call.id in long else "{}")
            transition = decide(outcome, call, seconds, policy, self._defaults, lines, loaded(text), pid)
            transitions.append((completion, transition))
            match transition:
                case Ended() | Failed():
                    ends.append(transition)
                case Postponed():
                    postponed.append(transition)
            if policy.limit is not None or policy.rate is not None:
                limited.append((call.id, call.token))
        ours = end(tx, ends) | running.postpone(tx, postponed)
        if limited:
            limits.free(tx, limited)
        minutes.add(tx, self._writer, _tallies(transitions, ours))
        for completion, transition in transitions:
            match completion.outcome:
                case Raised() as raised if transition.id in ours:
                    _say(completion, raised, transition)
                case Unknown(why=why) if completion.call.job not in self._said:
                    self._said.add(completion.call.job)
                    log.warning("%s", why, extra=_facts(completion))

    def write_one_by_one(self, tx: Connection[Any], completions: Sequence[Completion]) -> list[Completion]:
        """Write ends of which one cannot be written, one by one so that it is found. Its call
        fails, and says why. Returns those whose failure cannot be written either."""
        stuck = []
        for completion in completions:
            reason = self._try_to_write(tx, completion)
            if reason is not None:
                why = f"it ended, but its end cannot be written: {reason}"
                failed = completion._replace(outcome=Raised("OutcomeUnwritable", why, "", final=True), log=())
                if self._try_to_write(tx, failed) is not None:
                    log.error("call %d stays in running until its end can be written", completion.call.id)
                    stuck.append(completion)
        return stuck

    def _try_to_write(self, tx: Connection[Any], completion: Completion) -> str | None:
        """Write one end, or nothing of it. Returns why it cannot be written, or None."""
        try:
            with tx.transaction():
                self.write(tx, [completion])
        except Exception as error:
            if not is_of_the_outcome(error):
                raise  # it is the database, and may pass
            log.exception("an outcome cannot be written", extra={"call": completion.call.id})
            return storable(str(error).strip() or type(error).__name__)
        return None

    def _policy_of(self, job: str) -> Policy:
        known = self._jobs.get(job)
        return NOBODYS if known is None else known.policy


NOBODYS = Policy()
"""The policy of a job that this process does not know."""


def is_of_the_outcome(error: BaseException) -> bool:
    """Whether an error comes from what was to be written, which another try would not mend: a value
    that PostgreSQL does not take (class 22), that breaks a constraint (23), that is too large (54),
    that somebody's trigger refuses (P0), or that the driver cannot send. All else is the database's
    or the connection's: it is kept, and tried again."""
    if isinstance(error, psycopg.Error):
        refused = (error.sqlstate or "")[:2] in ("22", "23", "54", "P0")
        return refused or (error.sqlstate is None and isinstance(error, psycopg.DataError | psycopg.ProgrammingError))
    return not isinstance(error, DBAPIError | OSError)


def _say(completion: Completion, raised: Raised, transition: Transition) -> None:
    """What was raised, for whoever looks at the worker's terminal. What ended a slot as well, its
    supervisor has said.
    """
    match transition:
        case Postponed(delay=delay):
            log.warning("%s, again in %.0f s", raised, delay, extra=_facts(completion))
        case Failed():
            log.warning("%s, failed for good", raised, extra=_facts(completion))


def _facts(completion: Completion) -> dict[str, object]:
    return {"job": completion.call.job, "call": completion.call.id, "attempt": completion.call.attempts + 1}


def _tallies(transitions: Iterable[tuple[Completion, Transition]], ours: set[int]) -> dict[tuple[str, str], Tally]:
    tallies: defaultdict[tuple[str, str], Tally] = defaultdict(Tally)
    for (call, _, seconds, _), transition in transitions:
        tally = tallies[call.queue, call.job]
        match transition:
            case Ended(id=id, outcome="finished") if id in ours:
                tally.finished += 1
            case Settled(late=False):
                tally.finished += 1
            case Settled() | Ended() | Failed() | Postponed() if transition.id not in ours:
                tally.late += 1
                continue
            case Ended():
                tally.discarded += 1
            case Failed():
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
