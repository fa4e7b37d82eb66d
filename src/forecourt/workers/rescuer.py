"""The rescuer: calls of workers that are gone are given back."""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from psycopg import Connection

from forecourt.database.transactions import Transactions
from forecourt.process import Identity, boot_id, hostname, is_gone
from forecourt.slots import markers
from forecourt.slots.history import lost_with_its_worker
from forecourt.store import calls, rescue, running, workers
from forecourt.store.rescue import Held, Rescued
from forecourt.store.workers import Registered
from forecourt.workers.agent import Agent

log = logging.getLogger("forecourt.rescuer")

GRACE = 5.5
"""Seconds without a beat, by the database's clock, until a worker is suspected; a beat from the
future is none either.
"""

WATCH = 4.5
"""Seconds for which a suspect must stay silent under observation until it counts as lost. Whoever
lives beats meanwhile, so nobody is given up because the database was away, because its clock was
set, or because the observer itself had been asleep. With a beat every 3 s and a round every 2 s,
the calls of a lost worker are back within 15 s."""

SWEEP = 60.0
"""Seconds between two searches for calls whose worker is on no list. They should not exist, and the
search reads all of running.
"""


class Rescuer(Agent):
    """Gives back the calls of workers that stopped beating, or whose process on this host has
    ended.

    A call is given back at most once a claim: its run token changes when another worker claims it,
    so a late acknowledgement from the first finds nothing to change. A call that had started loses
    a try; one that was only claimed loses nothing. Whether that was its last try is its job's to
    say, so whoever claims it next decides.
    """

    every = 2.0

    def __init__(self, database: Transactions, worker: Callable[[], int]) -> None:
        self._database = database
        self._worker = worker
        self._since: dict[int, float] = {}
        self._looked_at = 0.0
        self._sweep_at = 0.0

    def run_once(self) -> int:
        host, boot = hostname(), boot_id()
        with self._database.each_by_itself() as tx:
            suspects = workers.suspects(tx, self=self._worker(), grace=GRACE, host=host, boot=boot)
            nameless = self._nameless(tx)
        silent = self._silent_while_watched(suspects)
        lost = {suspect.id: suspect for suspect in suspects if suspect.id in silent or _has_ended(suspect)}
        if not lost and not nameless:
            return 0
        with self._database.begin() as tx:
            if lost:
                # First, so that what they still hold open is rolled back and blocks nobody, their
                # own row included.
                workers.end_sessions(tx, workers.session_names(list(lost)))
            locked = workers.lock(tx, list(lost)) + nameless
            if not locked:
                return 0
            lost |= {id: Registered(id, "an unknown host", "", 0, "", "", 0, 0.0) for id in nameless}
            workers.remove(tx, locked)
            gone = [lost[id] for id in locked]
            files = {worker.id: _markers_of(worker, host, boot) for worker in gone}
            held = give_back(tx, gone, files)
        for worker in gone:
            markers.forget(files[worker.id])
            log.warning(
                "worker lost, its calls were given back",
                extra={
                    "lost_worker": worker.id,
                    "host": worker.host,
                    "pid": worker.pid,
                    "silent_seconds": round(worker.silent, 1),
                    "calls": sum(call.worker == worker.id for call in held),
                },
            )
        return len(held)

    def _silent_while_watched(self, suspects: list[Registered]) -> set[int]:
        """Those who have not been heard for as long as they have been watched without a gap, and
        that is long enough.
        """
        now = time.monotonic()
        if now - self._looked_at > WATCH:
            self._since.clear()
        self._looked_at = now
        self._since = {s.id: self._since.get(s.id, now) for s in suspects if abs(s.silent) > GRACE}
        return {worker for worker, since in self._since.items() if now - since >= WATCH}

    def _nameless(self, tx: Connection[tuple[object, ...]]) -> list[int]:
        """Workers on no list that hold calls."""
        now = time.monotonic()
        if now < self._sweep_at:
            return []
        self._sweep_at = now + SWEEP
        return rescue.orphans(tx)


def give_back(tx: Connection[tuple[object, ...]], gone: list[Registered], files: dict[int, Path | None]) -> list[Held]:
    """Move everything that these workers hold to ready; what they had begun, as their markers or
    the rows tell, with one attempt more. Returns the calls."""
    held = rescue.of_workers(tx, [worker.id for worker in gone])
    begun = {token for worker in gone for token in _to_blame(files.get(worker.id), worker.slots)}
    origins = {worker.id: worker for worker in gone}
    started = [call for call in held if call.started or call.token in begun]
    rescued = [
        Rescued(
            call.id,
            call.token,
            lost_with_its_worker(call.attempts, origins[call.worker].host, origins[call.worker].pid),
        )
        for call in started
    ]
    rescue.rescue(tx, rescued)
    untouched = [call for call in held if call not in started]
    running.give_back(tx, [(call.id, call.token) for call in untouched])
    calls.wake(tx, sorted({call.queue for call in held}))
    return held


def _to_blame(file: Path | None, slots: int) -> set[int]:
    """The tokens of the calls that were running when the worker ended. Of several that ran together
    in a slot nobody knows which is to blame, if any is, so none is."""
    open_calls = [
        [marked.token for marked in begun if marked.state == markers.OPEN]
        for begun in markers.begun(file, slots).values()
    ]
    return {tokens[0] for tokens in open_calls if len(tokens) == 1}


def _markers_of(worker: Registered, host: str, boot: str) -> Path | None:
    """The markers of a worker of this host and boot; no other's are here."""
    return markers.file_of(worker.marks) if (worker.host, worker.boot) == (host, boot) else None


def _has_ended(worker: Registered) -> bool:
    return is_gone(Identity(worker.host, worker.boot, worker.pid, worker.pid_started))
