"""The floor: where a worker's calls are handed to its slots, watched, and taken back. It knows nothing of the database."""

import logging
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson

from forecourt.jobs.job import Job
from forecourt.jobs.outcome import Cancelled, Expired, Interrupted, Outcome, SlotDied, TimedOut
from forecourt.jobs.policy import Policy
from forecourt.store.ready import Claimed
from forecourt.workers.buffer import Buffer
from forecourt.workers.completer import Completer, Completion
from forecourt.workers.cradle import Cradle, NurseryFailed
from forecourt.workers.crew import Slot
from forecourt.workers.options import WorkOptions
from forecourt.workers.pace import Pace
from forecourt.workers.slot import Birth
from forecourt.workers.verdict import Attempt

log = logging.getLogger("forecourt.worker")

SLOW = 0.05
"""Seconds after which a running call counts as slow: what waits behind it in the slot's channel is taken back."""

STALE = 1.0
"""Seconds after which a claimed call that no slot could take is given back, and a running one is noted as started."""

DEATH_AT_BIRTH = 0.2
"""Seconds to wait before a slot that died without having run anything is replaced."""


class Floor:
    """Slots and the calls that they have or will get next. Outcomes go to the completer."""

    def __init__(
        self,
        options: WorkOptions,
        jobs: Mapping[str, Job[..., Any]],
        completer: Completer,
        cradle: Cradle,
        birth: Callable[[int], Birth],
    ) -> None:
        self._options = options
        self._jobs = jobs
        self._completer = completer
        self._cradle = cradle
        self._birth = birth
        self._buffer = Buffer(options.queues)
        self._pace = Pace(self._batch_of)
        self._slots = [Slot(number) for number in range(options.processes)]
        self._selector = selectors.DefaultSelector()
        self.ended = 0
        """Attempts that have ended on this floor."""

    # -- opening, waiting, closing ---------------------------------------------------------------------------------------

    def open(self, wakeup: socket.socket) -> None:
        """Start the nursery and the slots. Bytes on `wakeup` end a wait. Raises NurseryFailed."""
        self._cradle.start()
        self._selector.register(wakeup, selectors.EVENT_READ)
        self._selector.register(self._cradle.events, selectors.EVENT_READ)
        for slot in self._slots:
            self._bear(slot)

    def wait(self, wakeup: socket.socket, longest: float) -> None:
        """Wait until something happens or is due, at most `longest` seconds, and take note of what slots reported."""
        for key, _ in self._selector.select(max(0.0, min([longest, *self._waits()]))):
            if key.fileobj is wakeup:
                wakeup.recv(4096)
            elif key.fileobj is self._cradle.events:
                self._hear_of_births_and_deaths()
            elif key.data is self._slots[key.data.number]:  # else it was buried by one of the events before
                self._hear_reports(key.data)

    def close(self) -> None:
        """End every slot, after taking back what it has not started."""
        self.take_back()
        self._cradle.stop()

    def _waits(self) -> Iterable[float]:
        for slot in self._slots:
            running = slot.running
            if running is not None and running.timeout is not None:
                yield running.timeout - slot.elapsed()
            if len(slot.sent) > 1:
                yield SLOW - slot.elapsed()
            if slot.rest_until:
                yield slot.rest_until - time.monotonic()

    # -- calls in, calls out ---------------------------------------------------------------------------------------------

    def add(self, calls: list[Claimed]) -> None:
        """Calls that were just claimed. Those of a cancelled batch, and those past their time to be retried, end here."""
        ends: list[tuple[Outcome, Claimed]] = []
        for call in calls:
            limit = self._retry_until(call.job)
            if call.unwanted:
                ends.append((Cancelled(), call))
            elif limit is not None and call.age > limit:
                ends.append((Expired(limit), call))
        self._complete((outcome, call, 0.0, ()) for outcome, call in ends)
        gone = {call.id for _, call in ends}
        self._buffer.add(call for call in calls if call.id not in gone)

    def cancel(self, ids: set[int]) -> None:
        """End calls that an operator does not want any more: at once if they wait here, by killing their slot if they run. A call
        that runs in a batch with others is left to finish."""
        for slot in self._slots:
            self._buffer.put_back(slot.take_back())
            running = slot.running
            if running is not None and len(running.calls) == 1 and ids & running.calls.keys():
                self._kill(slot, Cancelled())
        self._complete((Cancelled(), call, 0.0, ()) for call in self._buffer.take(ids))

    def held(self) -> int:
        """Calls that are here, waiting or running."""
        return len(self._buffer) + sum(slot.held for slot in self._slots)

    def tokens(self) -> set[int]:
        """The run tokens of these calls."""
        return self._buffer.tokens() | {
            call.token for slot in self._slots for sent in slot.sent for call in sent.calls.values()
        }

    def capacity(self) -> int:
        """How many calls it pays to hold."""
        alive = sum(slot.pid is not None for slot in self._slots)
        return alive if self._options.rest else self._pace.capacity(alive)

    def busy(self) -> int:
        """Slots that are executing."""
        return sum(bool(slot.sent) for slot in self._slots)

    def pids(self) -> list[int]:
        """The slots' processes."""
        return [slot.pid for slot in self._slots if slot.pid is not None]

    def work(self) -> None:
        """One round: take back what waits behind slow calls, hand out what can run, give back what cannot."""
        for slot in self._slots:
            if len(slot.sent) > 1 and slot.elapsed() > SLOW:
                self._buffer.put_back(slot.take_back())
        self._hand_out()
        self._release(self._buffer.take_older_than(STALE))
        self._note_started()

    def take_back(self) -> None:
        """Give back every call that has not started. It was only claimed, and that costs nothing."""
        for slot in self._slots:
            self._buffer.put_back(slot.take_back())
        self._release(self._buffer.take_older_than(0))

    def enforce_timeouts(self) -> None:
        """Kill the slots whose attempt has run for longer than it may: from outside, whatever they are doing."""
        for slot in self._slots:
            running = slot.running
            if running is not None and running.timeout is not None and slot.elapsed() >= running.timeout:
                self._kill(slot, TimedOut(running.timeout))

    def interrupt(self, why: str) -> None:
        """Kill whatever runs; those calls run again, and it costs them no try."""
        for slot in self._slots:
            if slot.sent:
                self._kill(slot, Interrupted(why))

    def disown(self) -> None:
        """Others have taken over everything that is here: forget what waits, kill every slot."""
        self._buffer.take_older_than(0)
        for slot in self._slots:
            slot.take_back()
            self._kill(slot, Interrupted("its worker had been given up"))

    def _hand_out(self) -> None:
        """Every slot gets its first bundle before any gets a second."""
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
                job = calls[0].job
                if len(slot.sent) >= self._pace.depth(job) or not slot.hand(calls, self._timeout_of(job)):
                    self._buffer.put_back(calls)
                    free.remove(slot)

    def _release(self, calls: list[Claimed]) -> None:
        if calls:
            self._completer.give_back((call.id, call.token, call.queue) for call in calls)

    def _note_started(self) -> None:
        """Write down which calls have been running for a while, for operators and for whoever may have to rescue them."""
        for slot in self._slots:
            running = slot.running
            if running is None or running.noted or slot.elapsed() < STALE or len(running.calls) > 1:
                continue
            running.noted = True
            elapsed = slot.elapsed()
            self._completer.note_started([(c.id, c.token, elapsed, running.timeout) for c in running.calls.values()])

    # -- what slots say, and their deaths --------------------------------------------------------------------------------

    def _hear_reports(self, slot: Slot) -> None:
        got = slot.reports()
        for report, call in got:
            self._pace.learn(call.job, report.seconds)
        self._complete((report.outcome, call, report.seconds, report.log) for report, call in got)
        if got and self._options.rest:
            slot.rest_until = time.monotonic() + self._options.rest

    def _complete(self, attempts: Iterable[tuple[Outcome, Claimed, float, tuple[str, ...]]]) -> None:
        completions = [
            Completion(
                Attempt(
                    call.id, call.token, call.job, call.queue, call.attempts, call.incidents, call.age, call.errors
                ),
                outcome,
                {} if call.options == "{}" else orjson.loads(call.options),
                seconds,
                call.waited,
                log,
            )
            for outcome, call, seconds, log in attempts
        ]
        self.ended += len(completions)
        self._completer.add(completions)

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

    def _kill(self, slot: Slot, why: Outcome) -> None:
        if slot.pid is not None and slot.death is None:
            slot.death = why
            self._cradle.kill(slot.pid)

    def _bury(self, slot: Slot, code: int) -> None:
        """A slot died: settle what it ran, keep what it had not started, and put another in its place."""
        self._hear_reports(slot)
        self._buffer.put_back(slot.take_back())
        running = slot.running
        if running is not None:
            outcome = slot.death or SlotDied(signal=-code if code < 0 else None, status=code if code >= 0 else None)
            calls = list(running.calls.values())
            log.warning("slot died: %s", outcome, extra={"pid": slot.pid, "calls": [call.id for call in calls][:10]})
            if len(calls) > 1 and not isinstance(outcome, Interrupted):
                self._buffer.put_back_alone(calls)
            else:
                elapsed = slot.elapsed()
                self._complete((outcome, call, elapsed, ()) for call in calls)
        elif slot.death is None and time.monotonic() - slot.born_at < 1:
            time.sleep(DEATH_AT_BIRTH)
        self._selector.unregister(slot.near)
        slot.close()
        self._slots[slot.number] = Slot(slot.number)
        self._bear(self._slots[slot.number])

    def _bear(self, slot: Slot) -> None:
        slot.born_at = time.monotonic()
        self._selector.register(slot.near, selectors.EVENT_READ, slot)
        self._cradle.bear(self._birth(slot.number), slot.far)

    def _replace_nursery(self, error: NurseryFailed) -> None:
        """The kernel has killed its slots; start over with a new one."""
        log.warning("%s; starting another", error)
        self._selector.unregister(self._cradle.events)
        while True:
            self._cradle.stop()
            try:
                self._cradle.start()
                break
            except NurseryFailed:
                if not self._cradle.was_killed():
                    raise
        self._selector.register(self._cradle.events, selectors.EVENT_READ)
        for slot in list(self._slots):
            self._bury(slot, -signal.SIGKILL)

    # -- what the jobs say -----------------------------------------------------------------------------------------------

    def _batch_of(self, job: str) -> int:
        return (self._jobs[job].policy.batch or 1) if job in self._jobs else 1

    def _retry_until(self, job: str) -> float | None:
        return self._jobs[job].policy.retry_until if job in self._jobs else None

    def _timeout_of(self, job: str) -> float | None:
        policy = self._jobs[job].policy if job in self._jobs else Policy()
        return self._options.defaults.timeout_of(policy)
