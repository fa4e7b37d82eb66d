"""The dispatcher: the one place where a worker claims calls and acknowledges them, both in one transaction a round.

There is one dispatcher a worker, however many slots it has: claiming in batches is worth more than claiming in parallel.
"""

import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import psycopg

from forecourt.database.engine import connect
from forecourt.jobs.job import Job
from forecourt.settings import settings
from forecourt.store import ready, running, workers
from forecourt.store.ready import Claimed, LowWater
from forecourt.workers.admission import admit
from forecourt.workers.bell import Bell, Silence
from forecourt.workers.completer import Completer, is_of_the_outcome
from forecourt.workers.options import WorkOptions

log = logging.getLogger("forecourt.dispatcher")

HINT_LIFE = 1.0
"""Seconds until a low-water mark is forgotten: a call that entered below it (a retry, a late commit) waits no longer than this."""

LONGEST_BACKOFF = 5.0
LAST_BACKOFF = 0.5
"""Seconds between two tries to write the last outcomes, when the worker only waits for that to end."""

FIRST_IMPATIENCE = 0.005

LINGER = 0.005
FEW = 50
"""So many outcomes, or more, are written at once; fewer wait for others, until so many seconds after the round before. A round of
one costs as much as a round of twenty."""


class Dispatcher(threading.Thread):
    """Runs beside the supervisor's loop. `demand` says how many calls it wants; `collect` hands over what was claimed."""

    def __init__(
        self,
        options: WorkOptions,
        jobs: Mapping[str, Job[..., Any]],
        completer: Completer,
        worker: Callable[[], int],
        announce: Callable[[], None],
    ) -> None:
        super().__init__(name="dispatcher", daemon=True)
        self._options = options
        self._jobs = jobs
        self._completer = completer
        self._worker = worker
        self._announce = announce
        self._cord, self._pull = socket.socketpair()
        self._pull.setblocking(False)
        self._lock = threading.Lock()
        self._claimed: list[Claimed] = []
        self._room = 0
        self._low: dict[str, LowWater] = {}
        self._hint_until = 0.0
        self._hungry = True
        self._poll_at = 0.0
        self._linger_until = 0.0
        self._impatience = FIRST_IMPATIENCE
        self._ending = threading.Event()
        self._pooled = settings().pooled
        self._in_hand = 0
        self._singly = False
        self._inventory: set[int] | None = None
        self._inventory_given = threading.Event()
        self.in_doubt = False
        """Whether a round failed so that nobody knows if its claim was committed: the supervisor must `give_inventory`."""
        self.empty_after = -1
        """After how many outcomes the queues were found empty; -1 when the latest claim found something."""

    # -- the supervisor's side -------------------------------------------------------------------------------------------

    def demand(self, capacity: int, held: int) -> None:
        """Want calls until `capacity` are held, of which the caller has `held`."""
        with self._lock:
            room = capacity - held - len(self._claimed)
            if room < capacity // 4:
                room = 0  # a claim of many is cheaper than many claims
            more = room > 0 >= self._room
            self._room = room
        if more or len(self._completer):
            self.ring()

    def collect(self) -> list[Claimed]:
        """What was claimed since the last time."""
        with self._lock:
            taken, self._claimed = self._claimed, []
            return taken

    def give_inventory(self, tokens: set[int]) -> None:
        """Say which claims this worker knows of. What else the database holds under its name goes back to ready."""
        self._inventory = tokens
        self.in_doubt = False
        self._inventory_given.set()

    def ring(self) -> None:
        """There is something to do."""
        try:
            self._pull.send(b"!")
        except BlockingIOError:
            return  # it has been rung often enough

    def end(self, timeout: float) -> bool:
        """Stop claiming, write what is left to acknowledge, and stop. False when the database did not let it in time."""
        self._ending.set()
        if self.ident is None:
            return True
        self.ring()
        self.join(timeout)
        return not self.is_alive()

    def unwritten(self) -> int:
        """How much is left to acknowledge."""
        return self._in_hand + len(self._completer)

    # -- its own thread --------------------------------------------------------------------------------------------------

    def run(self) -> None:
        errors = 0
        while not self._is_done():
            try:
                worker = self._worker()
                with self._connected(worker) as connection:
                    bell = Silence() if self._pooled else Bell(connection, self._options.queues)
                    if errors:
                        self._return_strays(connection, worker)
                    self._hungry = True
                    while not self._is_done() and self._worker() == worker:
                        self.run_once(connection, bell, worker)
                        if errors:
                            log.info("the database is back")
                            errors = 0
            except Exception as error:  # noqa: BLE001 - whatever it is, the outcomes must not die with this thread
                # Outcomes wait in the completer meanwhile; slots go on with what they have.
                errors += 1
                wait = min(0.1 * 2**errors, LONGEST_BACKOFF)
                log.warning("round failed, again in %.1f s: %s", wait, str(error).strip() or type(error).__name__)
                if self._ending.is_set():
                    time.sleep(min(wait, LAST_BACKOFF))
                else:
                    self._ending.wait(wait)

    def _is_done(self) -> bool:
        return self._ending.is_set() and not len(self._completer)

    def run_once(self, connection: psycopg.Connection[Any], bell: Bell | Silence, worker: int) -> None:
        """One round: wait until there is something to do, then acknowledge and claim in one transaction."""
        now = time.monotonic()
        claiming = self._room > 0 and self._hungry
        if 0 < len(self._completer) < FEW and not claiming and now < self._linger_until and not self._ending.is_set():
            time.sleep(self._linger_until - now)
            now = time.monotonic()
        batch = self._completer.take()
        # Who waits for the queues to be empty must look after every end: something may have followed it.
        looking = (
            self._hungry
            or now >= self._poll_at
            or (bool(batch) and (self._options.stop_when_empty or self._options.once))
        )
        claiming = self._room > 0 and not self._ending.is_set() and looking
        if not batch and not claiming:
            patience = max(0.0, self._poll_at - now) if self._room > 0 else self._options.sleep
            if bell.wait(self._cord, patience):
                self._hungry = True
                self._low.clear()
            return
        claimed: list[Claimed] = []
        short, found = True, False
        room = self._room
        self._in_hand = len(batch)
        try:
            with connection.transaction():
                if self._pooled:
                    connection.execute(ready.PLANNER_FOR_TRANSACTION.encode())
                if batch:
                    write = self._completer.write_singly if self._singly else self._completer.write
                    write(connection, worker, batch)
                if claiming and workers.hold(connection, worker):
                    claimed = self._claim(connection, room, worker)
                    short, found = len(claimed) < room, bool(claimed)
                    claimed = admit(connection, self._jobs, claimed)
        except BaseException as error:
            self._completer.put_back(batch)
            # An outcome that cannot be written must not keep the others from it for ever.
            self._singly = is_of_the_outcome(error)
            raise
        finally:
            self._in_hand = 0
        self._singly = False
        self._linger_until = time.monotonic() + LINGER
        if claiming:
            self._hand_over(claimed)
            # What a limit held off was ready, and behind it there may be more.
            self.empty_after = -1 if found else batch.upto
            self._plan(bell, short=short)

    def _claim(self, connection: psycopg.Connection[Any], room: int, worker: int) -> list[Claimed]:
        now = time.monotonic()
        if now >= self._hint_until:
            self._low.clear()
            self._hint_until = now + HINT_LIFE
        claimed: list[Claimed] = []
        for queue in self._options.queues:
            limit = room - len(claimed)
            if limit <= 0:
                break
            low = self._low.get(queue, LowWater())
            got = ready.claim(connection, queue=queue, limit=limit, worker=worker, low=low)
            claimed += got
            if len(got) == limit:
                self._low[queue] = LowWater(got[-1].priority, got[-1].id + 1)
            else:
                self._low.pop(queue, None)
        return claimed

    def _return_strays(self, connection: psycopg.Connection[Any], worker: int) -> None:
        """A commit whose answer was lost may have claimed calls that this worker never saw: they would wait here for ever."""
        self._inventory_given.clear()
        self.in_doubt = True
        self._announce()
        while not self._inventory_given.wait(0.1):
            if self._ending.is_set():
                return  # signing off returns whatever is left
        with connection.transaction():
            # The server may not know yet that the previous session is lost.
            workers.end_sessions(connection, [workers.dispatcher_name(worker)])
        with connection.transaction():
            strays = running.strays(connection, worker, self._inventory or set())
            running.give_back(connection, strays)
        if strays:
            log.info("%d calls had been claimed unseen and went back", len(strays))

    def _hand_over(self, claimed: list[Claimed]) -> None:
        with self._lock:
            self._claimed += claimed
            self._room -= len(claimed)
        self._announce()

    def _plan(self, bell: Bell | Silence, *, short: bool) -> None:
        """When to claim next: at once while there is a backlog; else after a notification or the poll interval."""
        if not short:
            self._hungry = True
            if bell.resting:
                bell.rise()
        elif bell.resting:
            self._hungry = False
            self._poll_at = time.monotonic() + self._options.sleep
        elif bell.rest():
            # One more look after saying so: a call may have entered between the claim and the lock.
            self._hungry = True
            self._impatience = FIRST_IMPATIENCE
        else:
            self._hungry = False
            self._impatience = min(self._impatience * 2, self._options.sleep)
            self._poll_at = time.monotonic() + self._impatience

    def _connected(self, worker: int) -> psycopg.Connection[Any]:
        connection = connect(application_name=workers.dispatcher_name(worker))
        if not self._pooled:
            connection.execute(ready.PLANNER.encode())
            connection.commit()
        return connection
