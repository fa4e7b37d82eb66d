"""The supervisor: hands calls to slots, watches the slots, and decides when the worker ends. It executes nothing itself."""

import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from forecourt import __version__
from forecourt.database import engine, in_transaction_of
from forecourt.jobs.job import Job
from forecourt.jobs.outcome import Interrupted, Outcome, SlotDied, TimedOut
from forecourt.jobs.policy import Policy
from forecourt.settings import settings
from forecourt.store import workers
from forecourt.store.ready import Claimed
from forecourt.workers.agent import Loop
from forecourt.workers.buffer import Buffer
from forecourt.workers.completer import Completer, Completion
from forecourt.workers.cradle import Cradle, NurseryFailed
from forecourt.workers.crew import Slot
from forecourt.workers.dispatcher import Dispatcher
from forecourt.workers.heart import Heart
from forecourt.workers.identity import own
from forecourt.workers.lifeline import Lifeline
from forecourt.workers.marks import Marks
from forecourt.workers.options import WorkOptions
from forecourt.workers.pace import Pace
from forecourt.workers.pruner import Pruner
from forecourt.workers.slot import Birth
from forecourt.workers.stager import Stager
from forecourt.workers.verdict import Attempt

log = logging.getLogger("forecourt.worker")

LONGEST_WAIT = 0.25
"""Seconds between two looks at deadlines when nothing else happens."""
SLOW = 0.05
"""Seconds after which a running call counts as slow: what waits behind it in the slot's channel is taken back."""
STALE = 1.0
"""Seconds after which a claimed call that no slot could take is given back, and a running one is noted as started."""
MEMORY_EVERY = 2.0
EXIT_MEMORY = 12


class Supervisor:
    """One worker: this process, its nursery and its slots. `run` returns the exit code."""

    def __init__(self, options: WorkOptions, jobs: Mapping[str, Job[..., Any]], app: str) -> None:
        self._options = options
        self._jobs = jobs
        self._worker = self._register()
        self._buffer = Buffer(options.queues)
        self._pace = Pace(self._batch_of)
        self._completer = Completer(jobs, options.defaults)
        self._slots = [Slot(number) for number in range(options.processes)]
        self._selector = selectors.DefaultSelector()
        self._wakeup, self._bell = socket.socketpair()
        self._bell.setblocking(False)
        self._dispatcher = Dispatcher(options, self._completer, lambda: self._worker, self._wake)
        self._heart = Heart(lambda: self._worker, self._busy, lambda: self._stopping)
        lifeline = Lifeline(lambda: self._worker, jobs, options.defaults)
        self._loops = [Loop(agent) for agent in (self._heart, Stager(), lifeline, Pruner())]
        self._cradle = Cradle(app)
        self._stopping = False
        self._stop_by = 0.0
        self._signals = 0
        self._exit_code = 0
        self._ended = 0
        self._started_at = time.monotonic()
        self._memory_at = 0.0

    # -- its life --------------------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Work until a signal or an option ends it. 0 after an orderly end, 12 for the memory limit, 1 if calls were left
        unacknowledged because the database was away; those run again."""
        self._listen_to_signals()
        Pruner().run_once()
        try:
            self._cradle.start()
            self._selector.register(self._cradle.events, selectors.EVENT_READ)
            self._selector.register(self._wakeup, selectors.EVENT_READ)
            for slot in self._slots:
                self._bear(slot)
            self._dispatcher.start()
            for loop in self._loops:
                loop.start()
            log.info(
                "worker started",
                extra={"worker": self._worker, "queues": ",".join(self._options.queues), "slots": len(self._slots)},
            )
            while not self._is_over():
                self._turn()
        except Exception:
            log.exception("worker failed")
            self._exit_code = 1
        return self._finish()

    def _turn(self) -> None:
        """One round: hear what happened, then act on it."""
        for key, _ in self._selector.select(self._patience()):
            if key.fileobj is self._wakeup:
                self._wakeup.recv(4096)
            elif key.fileobj is self._cradle.events:
                self._hear_of_births_and_deaths()
            else:
                self._hear_reports(key.data)
        if self._heart.given_up == self._worker:
            self._begin_anew()
        self._buffer.add(self._dispatcher.collect())
        self._consider_stopping()
        self._enforce_deadlines()
        if self._stopping:
            self._release(self._buffer.take_older_than(0))
        else:
            self._recall_from_slow_slots()
            self._hand_out()
            self._release(self._buffer.take_older_than(STALE))
        self._note_started()
        self._demand()

    def _patience(self) -> float:
        waits = [LONGEST_WAIT]
        for slot in self._slots:
            running = slot.running
            if running is not None and running.timeout is not None:
                waits.append(running.timeout - slot.elapsed())
            if len(slot.sent) > 1:
                waits.append(SLOW - slot.elapsed())
            if slot.rest_until:
                waits.append(slot.rest_until - time.monotonic())
        return max(0.0, min(waits))

    def _finish(self) -> int:
        for loop in self._loops:
            loop.stop()
        for slot in self._slots:
            self._release(slot.take_back())
        self._release(self._buffer.take_older_than(0))
        self._cradle.stop()
        if not self._dispatcher.end(timeout=max(5.0, self._stop_by - time.monotonic())):
            log.error("the database is away: %d outcomes not acknowledged, those calls run again", len(self._completer))
            return 1
        self._marks.close()
        with engine().begin() as connection:
            workers.remove(in_transaction_of(connection), [self._worker])
        log.info("worker stopped", extra={"worker": self._worker, "calls": self._ended})
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
        if not self._stopping:
            log.info("stopping: %s", why, extra={"worker": self._worker, "running": self._busy()})
        stop_by = time.monotonic() + (self._options.shutdown_timeout if timeout is None else timeout)
        self._stop_by = min(self._stop_by, stop_by) if self._stopping else stop_by
        self._stopping = True
        for slot in self._slots:
            self._buffer.put_back(slot.take_back())

    def _consider_stopping(self) -> None:
        if self._stopping:
            return
        options = self._options
        if options.max_time and time.monotonic() - self._started_at >= options.max_time:
            self._stop(f"--max-time {options.max_time:g} reached")
        elif options.max_jobs and self._ended >= options.max_jobs:
            self._stop(f"--max-jobs {options.max_jobs} reached")
        elif options.once and self._ended >= 1:
            self._stop("--once is done")
        elif (options.once or options.stop_when_empty) and self._dispatcher.found_nothing and not self._held():
            self._stop("the queues are empty")
        elif options.memory and self._fattest() > options.memory * 1024 * 1024:
            self._exit_code = EXIT_MEMORY
            self._stop(f"--memory {options.memory} MiB exceeded by a slot")

    def _fattest(self) -> int:
        """Bytes of memory of the largest slot; looked at every other second."""
        now = time.monotonic()
        if now < self._memory_at:
            return 0
        self._memory_at = now + MEMORY_EVERY
        return max((_resident(slot.pid) for slot in self._slots if slot.pid), default=0)

    def _is_over(self) -> bool:
        return self._stopping and not any(slot.sent for slot in self._slots)

    # -- calls -----------------------------------------------------------------------------------------------------------

    def _demand(self) -> None:
        """Tell the dispatcher how many calls to hold."""
        if self._stopping:
            self._dispatcher.demand(0, 0)
            return
        alive = sum(slot.pid is not None for slot in self._slots)
        capacity = self._pace.capacity(alive)
        if self._options.rest or self._options.once:
            capacity = min(capacity, alive)
        if self._options.max_jobs or self._options.once:
            most = 1 if self._options.once else self._options.max_jobs
            capacity = min(capacity, max(0, most - self._ended))
        self._dispatcher.demand(capacity, self._held())

    def _held(self) -> int:
        return len(self._buffer) + sum(slot.held for slot in self._slots)

    def _hand_out(self) -> None:
        """Give every slot its first bundle before any gets a second, as long as there is something to give."""
        now = time.monotonic()
        free = sorted((slot for slot in self._slots if slot.pid), key=lambda slot: len(slot.sent))
        while free and len(self._buffer):
            for slot in list(free):
                if slot.rest_until > now or (slot.sent and slot.elapsed() > SLOW):
                    free.remove(slot)
                    continue
                calls = self._buffer.next_bundle(self._batch_of)
                if not calls:
                    return
                if len(slot.sent) >= self._pace.depth(calls[0].job) or not slot.hand(
                    calls, self._timeout_of(calls[0].job)
                ):
                    self._buffer.put_back(calls)
                    free.remove(slot)

    def _hear_reports(self, slot: Slot) -> None:
        got = slot.reports()
        for report, call in got:
            self._pace.learn(call.job, report.seconds)
        self._complete((report.outcome, call, report.seconds) for report, call in got)
        if got and self._options.rest:
            slot.rest_until = time.monotonic() + self._options.rest

    def _complete(self, ended: Any) -> None:
        completions = [
            Completion(
                Attempt(call.id, call.token, call.job, call.queue, call.attempts, call.incidents),
                outcome,
                _options_of(call),
                seconds,
                call.waited,
            )
            for outcome, call, seconds in ended
        ]
        self._ended += len(completions)
        self._completer.add(completions)

    def _release(self, calls: list[Claimed]) -> None:
        """Back to ready: they were claimed, and that costs nothing."""
        if calls:
            self._completer.give_back((call.id, call.token, call.queue) for call in calls)

    def _recall_from_slow_slots(self) -> None:
        for slot in self._slots:
            if len(slot.sent) > 1 and slot.elapsed() > SLOW:
                self._buffer.put_back(slot.take_back())

    def _note_started(self) -> None:
        """Write down which calls have been running for a while, for operators and for whoever may have to rescue them."""
        noted = []
        for slot in self._slots:
            running = slot.running
            if running is None or running.noted or slot.elapsed() < STALE or len(running.calls) > 1:
                continue
            running.noted = True
            noted += [(call.id, call.token, slot.elapsed(), running.timeout) for call in running.calls.values()]
        if noted:
            self._completer.note_started(noted)

    # -- slots -----------------------------------------------------------------------------------------------------------

    def _enforce_deadlines(self) -> None:
        for slot in self._slots:
            running = slot.running
            if running is None or slot.death is not None:
                continue
            if running.timeout is not None and slot.elapsed() >= running.timeout:
                self._kill(slot, TimedOut(running.timeout))
            elif self._stopping and time.monotonic() >= self._stop_by:
                self._kill(slot, Interrupted("the worker was shut down"))

    def _kill(self, slot: Slot, why: Outcome) -> None:
        """From outside and for certain, whatever the slot is doing; its death is heard of in a moment."""
        slot.death = why
        if slot.pid is not None:
            self._cradle.kill(slot.pid)

    def _bear(self, slot: Slot) -> None:
        slot.born_at = time.monotonic()
        self._selector.register(slot.near, selectors.EVENT_READ, slot)
        self._cradle.bear(Birth(slot.number, self._worker, len(self._slots), str(self._marks.path)), slot.far)

    def _hear_of_births_and_deaths(self) -> None:
        try:
            events = self._cradle.hear()
        except NurseryFailed as error:
            self._replace_nursery(error)
            return
        for event in events:
            slot = self._slots[event.slot]
            if event.code is None:
                slot.pid = event.pid
            elif slot.pid == event.pid:
                self._bury(slot, event.code)

    def _bury(self, slot: Slot, code: int) -> None:
        """A slot died: settle what it ran, keep what it had not started, and put another in its place."""
        self._hear_reports(slot)
        self._buffer.put_back(slot.take_back())
        running = slot.running
        if running is not None:
            outcome = slot.death or SlotDied(signal=-code if code < 0 else None, status=code if code >= 0 else None)
            log.warning("slot died: %s", outcome, extra={"worker": self._worker, "calls": list(running.calls)[:10]})
            self._settle(list(running.calls.values()), outcome, slot.elapsed())
        self._marks.clear(slot.number)
        self._selector.unregister(slot.near)
        slot.close()
        lived = time.monotonic() - slot.born_at
        self._slots[slot.number] = Slot(slot.number)
        if not self._stopping:
            if running is None and lived < 1:
                time.sleep(0.2)  # it dies at birth: do not spin
            self._bear(self._slots[slot.number])

    def _replace_nursery(self, error: NurseryFailed) -> None:
        """The kernel has killed its slots; start over with a new one."""
        log.warning("%s; starting another", error, extra={"worker": self._worker})
        self._selector.unregister(self._cradle.events)
        self._cradle.stop()
        self._cradle.start()
        self._selector.register(self._cradle.events, selectors.EVENT_READ)
        for slot in list(self._slots):
            self._bury(slot, -signal.SIGKILL)

    def _settle(self, calls: list[Claimed], outcome: Outcome, seconds: float) -> None:
        if len(calls) > 1 and not isinstance(outcome, Interrupted):
            self._buffer.put_back_alone(calls)
        else:
            self._complete((outcome, call, seconds) for call in calls)

    def _begin_anew(self) -> None:
        """Others gave this worker up, as after a long sleep. What it held is theirs: kill, forget, and enter again."""
        log.warning("given up by the other workers, beginning anew", extra={"worker": self._worker})
        self._buffer.take_older_than(0)
        for slot in self._slots:
            slot.take_back()
            if slot.pid is not None:
                self._kill(slot, Interrupted("its worker had been given up"))
        self._marks.close()
        self._worker = self._register()

    def _register(self) -> int:
        me = own()
        path = (settings().var / "run" / f"marks-{me.pid}-{time.monotonic_ns()}").absolute()
        self._marks = Marks(Path(path), self._options.processes)
        with engine().begin() as connection:
            return workers.register(
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

    # -- small answers ---------------------------------------------------------------------------------------------------

    def _busy(self) -> int:
        return sum(bool(slot.sent) for slot in self._slots)

    def _batch_of(self, job: str) -> int:
        return (self._jobs[job].policy.batch or 1) if job in self._jobs else 1

    def _timeout_of(self, job: str) -> float | None:
        policy = self._jobs[job].policy if job in self._jobs else Policy()
        return self._options.defaults.timeout_of(policy)

    def _wake(self) -> None:
        try:
            self._bell.send(b"!")
        except BlockingIOError:
            return  # it is awake already


def _options_of(call: Claimed) -> dict[str, Any]:
    return {} if call.options == "{}" else orjson.loads(call.options)


def _resident(pid: int | None) -> int:
    """Bytes of memory that a process has for itself; 0 where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        return 0
    return (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE")
