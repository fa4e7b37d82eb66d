"""The lifeline: calls of workers that are gone are given back."""

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from psycopg import Connection

from forecourt.database import engine, in_transaction_of
from forecourt.jobs.job import Job
from forecourt.jobs.outcome import WorkerLost
from forecourt.jobs.policy import Defaults, Policy
from forecourt.store import calls, running, workers
from forecourt.store.running import Held, Lost, Postponed
from forecourt.store.workers import Registered
from forecourt.workers import marks
from forecourt.workers.agent import Agent
from forecourt.workers.bundle import loaded
from forecourt.workers.ending import Ending, end
from forecourt.workers.identity import Identity, is_gone, own
from forecourt.workers.verdict import decide

log = logging.getLogger("forecourt.lifeline")

GRACE = 5.5
"""Seconds without a beat, by the database's clock, until a worker is suspected; a beat from the future is none either."""

WATCH = 4.5
"""Seconds for which a suspect must stay silent under observation until it counts as lost. Whoever lives beats meanwhile, so nobody
is given up because the database was away, because its clock was set, or because the observer itself had been asleep. With a beat
every 3 s and a round every 2 s, the calls of a lost worker are back within 15 s."""

SWEEP = 60.0
"""Seconds between two searches for calls whose worker is on no list. They should not exist, and the search reads all of running."""


class Lifeline(Agent):
    """Gives back the calls of workers that stopped beating, or whose process on this host has ended.

    A call is given back at most once a claim: its run token changes when another worker claims it, so a late acknowledgement
    from the first finds nothing to change. A call that had started loses a try; one that was only claimed loses nothing.
    """

    every = 2.0

    def __init__(self, worker: Callable[[], int], jobs: Mapping[str, Job[..., Any]], defaults: Defaults) -> None:
        self._worker = worker
        self._jobs = jobs
        self._defaults = defaults
        self._since: dict[int, float] = {}
        self._looked_at = 0.0
        self._sweep_at = 0.0

    def run_once(self) -> int:
        me = own()
        with engine().begin() as connection:
            tx = in_transaction_of(connection)
            suspects = workers.suspects(tx, self=self._worker(), grace=GRACE, host=me.host, boot=me.boot)
            silent = self._silent_while_watched(suspects)
            lost = {suspect.id: suspect for suspect in suspects if suspect.id in silent or _has_ended(suspect)}
            if lost:
                # First, so that what they still hold open is rolled back and blocks nobody, their own row included.
                workers.end_sessions(tx, workers.session_names(list(lost)))
            locked = workers.lock(tx, list(lost))
            nameless = self._nameless(tx)
            lost |= {id: Registered(id, "an unknown host", "", 0, "", "", 0.0) for id in nameless}
            locked += nameless
            if not locked:
                return 0
            workers.remove(tx, locked)
            held = running.of_workers(tx, locked)
            files = {worker: self._marks_of(lost[worker], me) for worker in locked}
            marked = {worker: marks.read(file) for worker, file in files.items()}
            started = [call for call in held if call.started or call.id in marked[call.worker]]
            self._count_attempts(tx, started, lost)
            untouched = [call for call in held if call not in started]
            running.give_back(tx, [(call.id, call.token) for call in untouched])
            calls.wake(tx, sorted({call.queue for call in untouched}))
        for worker in locked:
            marks.forget(files[worker])
            log.warning(
                "worker lost, its calls were given back",
                extra={
                    "lost_worker": worker,
                    "host": lost[worker].host,
                    "pid": lost[worker].pid,
                    "silent_seconds": round(lost[worker].silent, 1),
                    "started": sum(call.worker == worker for call in started),
                    "untouched": sum(call.worker == worker for call in untouched),
                },
            )
        return len(held)

    def _silent_while_watched(self, suspects: list[Registered]) -> set[int]:
        """Those who have not been heard for as long as they have been watched without a gap, and that is long enough."""
        now = time.monotonic()
        if now - self._looked_at > WATCH:
            self._since.clear()
        self._looked_at = now
        self._since = {s.id: self._since.get(s.id, now) for s in suspects if abs(s.silent) > GRACE}
        return {worker for worker, since in self._since.items() if now - since >= WATCH}

    def _nameless(self, tx: Connection[Any]) -> list[int]:
        """Workers on no list that hold calls."""
        now = time.monotonic()
        if now < self._sweep_at:
            return []
        self._sweep_at = now + SWEEP
        return running.orphans(tx)

    def _count_attempts(self, tx: Any, started: list[Held], lost: Mapping[int, Registered]) -> None:
        postponed: list[Postponed] = []
        for call in started:
            worker = lost[call.worker]
            cause = WorkerLost(worker.host, worker.pid)
            match decide(cause, call, 0.0, self._policy_of(call.job), self._defaults):
                case Postponed() as again:
                    postponed.append(again)
                case Lost() as failed:
                    end(tx, [Ending(failed, loaded(call.options), 0.0)])
        running.postpone(tx, postponed)

    def _policy_of(self, job: str) -> Policy:
        """A job's policy. A job that this code does not know goes back and counts its attempt, and never fails here: how often it
        may be tried is known to whoever knows it."""
        return self._jobs[job].policy if job in self._jobs else Policy(tries=0)

    def _marks_of(self, worker: Registered, me: Identity) -> Path | None:
        """The marks of a worker of this host and boot; no other's are here."""
        return marks.of(worker.marks) if (worker.host, worker.boot) == (me.host, me.boot) else None


def _has_ended(worker: Registered) -> bool:
    return is_gone(Identity(worker.host, worker.boot, worker.pid, worker.pid_started))
