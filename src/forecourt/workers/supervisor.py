"""The supervisor: watches its slots, obeys signals and limits, and decides when the worker ends. It
executes nothing, and knows no job."""

import logging
import os
import signal
import time

import psycopg

from forecourt.database.connecting import DatabaseUnreachable
from forecourt.database.transactions import Transactions
from forecourt.process import own
from forecourt.settings import settings
from forecourt.slots.markers import Markers
from forecourt.slots.markers import folder as markers_folder
from forecourt.slots.options import WorkOptions
from forecourt.store import requests, workers
from forecourt.store.requests import Asked
from forecourt.store.workers import Registered
from forecourt.version import __version__
from forecourt.waiting import Waiter
from forecourt.workers.agent import Loop
from forecourt.workers.control import Control
from forecourt.workers.fork_client import ForkClient
from forecourt.workers.heartbeat import Heartbeat
from forecourt.workers.housekeeper import Housekeeper
from forecourt.workers.listener import Listener
from forecourt.workers.pruner import Pruner
from forecourt.workers.rescuer import Rescuer, give_back
from forecourt.workers.resources import Memory, have_descriptors, private_memory
from forecourt.workers.service_manager import ServiceManager
from forecourt.workers.slot_pool import SlotPool
from forecourt.workers.stager import Stager

log = logging.getLogger("forecourt.worker")

LONGEST_WAIT, LONGEST_REST = 0.25, 1.0
"""Seconds between two looks at slots and limits when nothing else happens: while a slot works or
the worker ends, and while all of them wait.
"""

LONGEST_ROUND = 5.0
"""Seconds that a background duty may take to finish its round when the worker ends, and a slot to
settle what it inherited.
"""

LAST_WORDS = 2.0
"""Seconds that slots have to write what they ended, before a worker that was given up ends them."""

MEMORY_EVERY = 2.0
"""Seconds between two looks at the slots' memory."""

EXIT_FAILED = 1
EXIT_MEMORY = 12


class Supervisor:
    """One worker: this process, its fork server (which has loaded the application) and its
    slots.
    """

    def __init__(self, options: WorkOptions, forks: ForkClient) -> None:
        have_descriptors(options.processes)
        self._options = options
        self._forks = forks
        self._service_manager = ServiceManager()
        self._waiter = Waiter()
        self._database = Transactions()
        self._asked: tuple[Asked | None, str] = (None, "")
        self._register()
        self._housekeeper = Housekeeper(self._database, options.queues, self._wake_one)
        self._pool = SlotPool(options, forks, self._worker, self._markers, self._housekeeper, self._waiter)
        self._listener = Listener(options.queues, lambda: self._worker, self._pool.has_idle, self._wake_one)
        self._heartbeat = Heartbeat(
            self._database,
            lambda: self._worker,
            self._pool,
            Memory(lambda: [os.getpid(), forks.pid, *self._pool.pids()]),
        )
        stager = Stager(self._database)
        self._staging = Loop(stager)
        agents = (
            self._heartbeat,
            Rescuer(self._database, lambda: self._worker),
            Control(self._database, lambda: self._worker, self._on_request, stager.poke),
            Pruner(self._database),
            self._housekeeper,
        )
        self._loops = [self._staging, *(Loop(agent) for agent in agents)]
        if not settings().pooled:  # behind a pooler no connection stays one's own to listen on
            self._loops.append(Loop(self._listener))
        self._unwanted: set[int] = set()
        self._given_up_at = 0.0
        self._stopping = False
        self._stop_by = 0.0
        self._signals = 0
        self._exit_code = 0
        self._started_at = time.monotonic()
        self._memory_at = 0.0

    def run(self) -> int:
        """Work until a signal or an option ends it, and return the exit code: 0 after an orderly
        end, 12 for the memory limit, 1 after an error, or when ends could not be written because
        the database was away; those calls run again."""
        self._listen_to_signals()
        try:
            Pruner(self._database).begin()
            self._pool.spawn()
            for loop in self._loops:
                loop.start()
            facts = {"worker": self._worker, "queues": ",".join(self._options.queues), "slots": self._options.processes}
            log.info("worker started", extra=facts)
            self._service_manager.ready(f"{self._options.processes} slots on {facts['queues']}")
            while not (self._stopping and self._has_ended()):
                self._turn()
        except Exception:
            log.exception("worker failed", extra={"worker": self._worker})
            self._exit_code = EXIT_FAILED
        return self._finish()

    def _turn(self) -> None:
        """One round: hear what happened, then act on it."""
        next_sign = self._service_manager.has_turned()
        is_at_rest = self._pool.is_at_rest() and self._housekeeper.is_done() and not self._stopping
        self._pool.wait(min(LONGEST_REST if is_at_rest else LONGEST_WAIT, next_sign))
        if self._heartbeat.given_up == self._worker:
            self._begin_anew()
        self._pool.watch()
        if self._listener.is_resting != self._pool.has_idle():
            self._listener.poke()
        if self._unwanted:
            unwanted, self._unwanted = self._unwanted, set()
            self._pool.cancel(unwanted)
        if self._asked[0] in ("quiet", None) and self._pool.quiet(self._asked[0] == "quiet"):
            self._heartbeat.poke()
        self._consider_stopping()
        if self._stopping:
            self._staging.stop()  # what is interrupted now is somebody else's to go on with
            self._pool.stop()
            if time.monotonic() >= self._stop_by:
                self._pool.interrupt("the worker was shut down")

    def _has_ended(self) -> bool:
        """Whether every slot has left, or has had its time to."""
        return self._pool.has_left() or time.monotonic() >= self._stop_by + LONGEST_ROUND

    def _finish(self) -> int:
        for loop in self._loops:
            loop.stop()
        owing = self._pool.owing()
        self._pool.close()
        patience = time.monotonic() + LONGEST_ROUND
        for loop in self._loops:
            loop.await_end(max(0.0, patience - time.monotonic()))
        try:
            self._sign_off()
        except (DatabaseUnreachable, psycopg.Error) as error:
            if owing:
                log.error("the database is away: outcomes not written, those calls run again: %s", error)
                return EXIT_FAILED
            log.warning("could not sign off, another worker will notice: %s", error)
            return self._exit_code
        self._markers.remove()
        log.info("worker stopped", extra={"worker": self._worker, "calls": self._pool.ended})
        return self._exit_code

    def _sign_off(self) -> None:
        """Leave the list, and give back what is left under this worker's name."""
        self._housekeeper.run_once()
        me = own()
        gone = Registered(
            self._worker, me.host, me.boot, me.pid, me.pid_started, "", self._options.processes, silent=0.0
        )
        with self._database.begin() as tx:
            workers.end_sessions(tx, [name(self._worker) for name in (workers.slot_name, workers.jobs_name)])
            give_back(tx, [gone], {self._worker: self._markers.path})
            workers.remove(tx, [self._worker])
        self._database.close()

    # -- signals and limits ------------------------------------------------------------------------

    def _listen_to_signals(self) -> None:
        self._waiter.wake_at_signals()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, _frame: object) -> None:
        """The first asks to stop in order, the second to stop now."""
        self._signals += 1
        timeout = self._options.shutdown_timeout if self._signals == 1 else 0.0
        self._stop(f"{signal.Signals(number).name} received", timeout)

    def _stop(self, why: str, timeout: float | None = None) -> None:
        stop_by = time.monotonic() + (self._options.shutdown_timeout if timeout is None else timeout)
        self._stop_by = min(self._stop_by, stop_by) if self._stopping else stop_by
        self._stopping = True
        self._service_manager.stopping(why)
        log.info("stopping: %s", why, extra={"worker": self._worker, "running": self._pool.busy()})

    def _consider_stopping(self) -> None:
        options = self._options
        if self._stopping:
            return
        if self._asked[0] in ("restart", "stop"):
            self._stop("a restart was asked for" if self._asked[0] == "restart" else f"{self._asked[1]} asked it to")
        elif options.max_time and time.monotonic() - self._started_at >= options.max_time:
            self._stop(f"--max-time {options.max_time:g} reached")
        elif options.max_jobs and self._pool.ended >= options.max_jobs:
            self._stop(f"--max-jobs {options.max_jobs} reached")
        elif options.once and self._pool.ended:
            self._stop("--once is done")
        elif (options.once or options.stop_when_empty) and self._pool.is_empty():
            self._stop("the queues are empty")
        elif options.memory and self._fattest() > options.memory * 1024 * 1024:
            self._exit_code = EXIT_MEMORY
            self._stop(f"a slot uses more than --memory {options.memory} MiB")

    def _fattest(self) -> int:
        """Bytes of memory that the largest slot has for itself; looked at every other second."""
        now = time.monotonic()
        if now < self._memory_at:
            return 0
        self._memory_at = now + MEMORY_EVERY
        return max((private_memory(pid) for pid in self._pool.pids()), default=0)

    # -- who it is ---------------------------------------------------------------------------------

    def _register(self) -> None:
        me = own()
        path = markers_folder() / f"marks-{me.pid}-{time.monotonic_ns()}"
        pages = Markers(path, self._options.processes)
        try:
            with self._database.begin() as tx:
                self._worker = workers.register(
                    tx,
                    host=me.host,
                    boot=me.boot,
                    pid=me.pid,
                    pid_started=me.pid_started,
                    slots=self._options.processes,
                    queues=self._options.queues,
                    version=__version__,
                    marks=str(path),
                    shutdown_timeout=self._options.shutdown_timeout,
                    stop_grace=self._options.stop_grace or None,
                )
                if self._asked[0] == "quiet":  # under its new number, too
                    requests.ask(tx, self._worker, "quiet", self._asked[1])
        except BaseException:
            pages.remove()
            raise
        self._markers = pages
        # By their names others can end its sessions, should it be cut off in the middle of
        # something.
        self._database.rename(workers.agents_name(self._worker))

    def _begin_anew(self) -> None:
        """Others gave this worker up, as after a long sleep: what it held is theirs. It enters
        again under a new id, when its slots have said what they had just ended, which is late: that
        is counted.
        """
        if not self._given_up_at:
            self._given_up_at = time.monotonic()
        if self._pool.owing() and time.monotonic() < self._given_up_at + LAST_WORDS:
            return
        log.warning("given up by the other workers, beginning anew", extra={"worker": self._worker})
        before = self._markers
        try:
            self._register()
        except (DatabaseUnreachable, psycopg.Error) as error:
            log.warning("cannot enter again yet: %s", error)
            self._heartbeat.given_up = None  # the next beat will say so again
            return
        self._given_up_at = 0.0
        before.remove()
        self._pool.disown(self._worker, self._markers)
        self._listener.poke()  # under the new number, too

    def _on_request(self, unwanted: set[int], asked: tuple[Asked | None, str]) -> None:
        """Called from the agent's thread: note it, the next round acts."""
        self._unwanted = unwanted
        self._asked = asked
        self._waiter.wake()

    def _wake_one(self) -> None:
        """Called from agents' threads: a slot looks for calls, and is looked after at once."""
        self._pool.wake_one()
        self._waiter.wake()
