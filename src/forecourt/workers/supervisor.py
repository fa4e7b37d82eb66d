"""The supervisor: keeps the floor supplied, obeys signals and limits, and decides when the worker ends. It executes nothing."""

import gc
import logging
import os
import resource
import signal
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy.exc import DBAPIError, OperationalError

from forecourt.database import engine, in_transaction_of
from forecourt.database.engine import make_engine, use_engine
from forecourt.jobs.job import Job
from forecourt.store import running, workers
from forecourt.version import __version__
from forecourt.workers.agent import Loop
from forecourt.workers.completer import Completer
from forecourt.workers.cradle import Cradle
from forecourt.workers.dispatcher import Dispatcher
from forecourt.workers.errand import Errand
from forecourt.workers.floor import Floor
from forecourt.workers.heart import Heart
from forecourt.workers.identity import own
from forecourt.workers.lifeline import Lifeline
from forecourt.workers.marks import Marks
from forecourt.workers.marks import folder as marks_folder
from forecourt.workers.options import WorkOptions
from forecourt.workers.pruner import Pruner
from forecourt.workers.slot import Birth
from forecourt.workers.stager import Stager

log = logging.getLogger("forecourt.worker")

LONGEST_WAIT = 0.25
"""Seconds between two looks at limits and deadlines when nothing else happens."""

LONGEST_ROUND = 5.0
"""Seconds that a background duty may take to finish its round when the worker ends."""

MEMORY_EVERY = 2.0
"""Seconds between two looks at the slots' memory."""

DESCRIPTORS, DESCRIPTORS_OF_SLOT = 128, 8
"""Open files that a worker may need, and those for each slot."""

EXIT_FAILED = 1
EXIT_MEMORY = 12


class Supervisor:
    """One worker: this process, its nursery and its slots."""

    def __init__(self, options: WorkOptions, jobs: Mapping[str, Job[..., Any]], app: str) -> None:
        self._options = options
        self._at_once = max((job.policy.threads for job in jobs.values()), default=1)
        self._wakeup, self._bell = socket.socketpair()
        self._bell.setblocking(False)
        self._completer = Completer(jobs, options.defaults)
        self._floor = Floor(options, jobs, self._completer, Cradle(app), self._birth)
        self._dispatcher = Dispatcher(options, jobs, self._completer, lambda: self._worker, self._wake)
        self._heart = Heart(lambda: self._worker, self._floor.busy, lambda: self._stopping)
        lifeline = Lifeline(lambda: self._worker, jobs, options.defaults)
        errand = Errand(lambda: self._worker, self._on_errand)
        self._loops = [Loop(agent) for agent in (self._heart, Stager(), lifeline, errand, Pruner())]
        self._unwanted: set[int] = set()
        self._restart = False
        self._stopping = False
        self._stop_by = 0.0
        self._signals = 0
        self._exit_code = 0
        self._started_at = time.monotonic()
        self._memory_at = 0.0
        self._register()

    def run(self) -> int:
        """Work until a signal or an option ends it, and return the exit code: 0 after an orderly end, 12 for the memory limit,
        1 after an error, or when outcomes could not be written because the database was away; those calls run again."""
        self._listen_to_signals()
        try:
            _have_descriptors(DESCRIPTORS + DESCRIPTORS_OF_SLOT * self._options.processes)
            _prune_first()
            self._floor.open(self._wakeup)
            self._dispatcher.start()
            _spare_the_garbage_collector()
            for loop in self._loops:
                loop.start()
            facts = {"worker": self._worker, "queues": ",".join(self._options.queues), "slots": self._options.processes}
            log.info("worker started", extra=facts)
            while not (self._stopping and not self._floor.busy()):
                self._turn()
        except Exception:
            log.exception("worker failed", extra={"worker": self._worker})
            self._exit_code = EXIT_FAILED
        return self._finish()

    def _turn(self) -> None:
        """One round: hear what happened, then act on it."""
        self._floor.wait(self._wakeup, LONGEST_WAIT)
        if self._heart.given_up == self._worker:
            self._begin_anew()
        self._floor.add(self._dispatcher.collect())
        if self._dispatcher.in_doubt:
            self._dispatcher.give_inventory(self._floor.tokens() | self._completer.tokens())
        if self._unwanted:
            unwanted, self._unwanted = self._unwanted, set()
            self._floor.cancel(unwanted)
        self._floor.enforce_timeouts()
        self._consider_stopping()
        if self._stopping:
            self._floor.take_back()
            self._dispatcher.demand(0, 0)
            if time.monotonic() >= self._stop_by:
                self._floor.interrupt("the worker was shut down")
        else:
            self._floor.work()
            self._dispatcher.demand(self._capacity(), self._floor.held())

    def _capacity(self) -> int:
        """How many calls to hold: what the floor can use, and no more than the options leave to do."""
        left = 1 if self._options.once else self._options.max_jobs
        return min(self._floor.capacity(), left - self._floor.ended) if left else self._floor.capacity()

    def _finish(self) -> int:
        for loop in self._loops:
            loop.stop()
        self._floor.add(self._dispatcher.collect())
        self._floor.close()
        if not self._dispatcher.end(timeout=max(5.0, self._stop_by - time.monotonic())):
            if unwritten := self._dispatcher.unwritten():
                log.error("the database is away: %d outcomes not written, those calls run again", unwritten)
                return EXIT_FAILED
            log.warning("the database is away: could not sign off, another worker will notice")
            return self._exit_code
        patience = time.monotonic() + LONGEST_ROUND
        for loop in self._loops:
            loop.await_end(max(0.0, patience - time.monotonic()))
        try:
            with engine().begin() as connection:
                tx = in_transaction_of(connection)
                workers.end_sessions(tx, workers.session_names([self._worker]))
                running.give_back(tx, running.strays(tx, self._worker, set()))
                workers.remove(tx, [self._worker])
        except (OperationalError, psycopg.OperationalError) as error:
            log.warning("could not sign off, another worker will notice: %s", error)
        self._marks.close()
        log.info("worker stopped", extra={"worker": self._worker, "calls": self._floor.ended})
        return self._exit_code

    # -- signals and limits ----------------------------------------------------------------------------------------------

    def _listen_to_signals(self) -> None:
        signal.set_wakeup_fd(self._bell.fileno(), warn_on_full_buffer=False)
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
        log.info("stopping: %s", why, extra={"worker": self._worker, "running": self._floor.busy()})

    def _consider_stopping(self) -> None:
        options = self._options
        if self._stopping:
            return
        if self._restart:
            self._stop("a restart was asked for")
        elif options.max_time and time.monotonic() - self._started_at >= options.max_time:
            self._stop(f"--max-time {options.max_time:g} reached")
        elif options.max_jobs and self._floor.ended >= options.max_jobs:
            self._stop(f"--max-jobs {options.max_jobs} reached")
        elif options.once and self._floor.ended:
            self._stop("--once is done")
        elif (options.once or options.stop_when_empty) and self._is_empty():
            self._stop("the queues are empty")
        elif options.memory and self._fattest() > options.memory * 1024 * 1024:
            self._exit_code = EXIT_MEMORY
            self._stop(f"a slot uses more than --memory {options.memory} MiB")

    def _is_empty(self) -> bool:
        """Whether a claim found nothing after everything that was held had ended, and was written."""
        return not self._floor.held() and self._dispatcher.empty_after == self._completer.given

    def _fattest(self) -> int:
        """Bytes of memory that the largest slot has for itself; looked at every other second."""
        now = time.monotonic()
        if now < self._memory_at:
            return 0
        self._memory_at = now + MEMORY_EVERY
        return max((_private_memory(pid) for pid in self._floor.pids()), default=0)

    # -- who it is -------------------------------------------------------------------------------------------------------

    def _register(self) -> None:
        me = own()
        path = marks_folder() / f"marks-{me.pid}-{time.monotonic_ns()}"
        marks = Marks(path, self._options.processes * self._at_once)
        try:
            with engine().begin() as connection:
                self._worker = workers.register(
                    in_transaction_of(connection),
                    host=me.host,
                    boot=me.boot,
                    pid=me.pid,
                    pid_started=me.pid_started,
                    slots=self._options.processes,
                    queues=self._options.queues,
                    version=__version__,
                    marks=str(path),
                )
        except BaseException:
            marks.close()
            raise
        self._marks = marks
        # By their names others can end its sessions, should it be cut off in the middle of something.
        engine().dispose()
        use_engine(make_engine(application_name=workers.agents_name(self._worker)))

    def _begin_anew(self) -> None:
        """Others gave this worker up, as after a long sleep: what it held is theirs. It enters again under a new id."""
        log.warning("given up by the other workers, beginning anew", extra={"worker": self._worker})
        self._dispatcher.collect()
        marks = self._marks
        try:
            self._register()
        except (OperationalError, psycopg.OperationalError) as error:
            log.warning("cannot enter again yet: %s", error)
            self._heart.given_up = None  # the next beat will say so again
            return
        marks.close()
        self._floor.disown()

    def _birth(self, number: int) -> Birth:
        return Birth(number, self._worker, self._options.processes, self._at_once, str(self._marks.path))

    def _on_errand(self, unwanted: set[int], restart: bool) -> None:
        """Called from the agent's thread: note it, the next round acts."""
        self._unwanted = unwanted
        self._restart = restart
        self._wake()

    def _wake(self) -> None:
        try:
            self._bell.send(b"!")
        except BlockingIOError:
            return  # it is awake already


def _prune_first() -> None:
    """Have today's partition before the first call ends. Without it calls end too, so a connection that breaks just now is no
    reason to give up; the pruner's own loop comes by again."""
    try:
        Pruner().run_once()
    except (DBAPIError, psycopg.Error) as error:
        log.warning("could not prune at the start, again soon: %s", str(error).partition("\n")[0])


def _have_descriptors(needed: int) -> None:
    """Raise this process's own limit of open files if that many need it. Raises RuntimeError where the system does not allow it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise RuntimeError(f"so many slots need {needed} open files, and the system allows {hard}: raise `ulimit -Hn`")
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _spare_the_garbage_collector() -> None:
    """What is loaded now stays, and calls come and go by the thousand without cycles: looking for some took a fifth of the time."""
    gc.freeze()
    gc.set_threshold(50_000)


def _private_memory(pid: int) -> int:
    """Bytes that a process shares with no file; 0 where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        return 0
    return (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE")
