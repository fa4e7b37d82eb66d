"""The floor: where a worker's calls are handed to its slots, watched, and taken back. It knows nothing of the database."""

import logging
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from forecourt.jobs.job import Job
from forecourt.jobs.outcome import Cancelled, Expired, Interrupted, Outcome, SlotDied, TimedOut
from forecourt.store.ready import Claimed
from forecourt.workers.buffer import Buffer
from forecourt.workers.completer import Completer, Completion
from forecourt.workers.cradle import Cradle, NurseryFailed
from forecourt.workers.crew import Sent, Slot
from forecourt.workers.options import WorkOptions
from forecourt.workers.pace import Pace
from forecourt.workers.slot import Birth
from forecourt.workers.terms import TermsByJob

log = logging.getLogger("forecourt.worker")

SLOW = 0.05
"""Seconds after which a running call counts as slow: what waits behind it in the slot's channel is taken back."""

STALE = 1.0
"""Seconds after which a claimed call that no slot could take is given back, and a running one is noted as started."""

NAP = 0.002
"""Seconds that the supervisor sleeps at a time while every slot has work ahead, instead of waking up for each report."""

PLENTY = 50
"""Bundles waiting in a slot's channel that are work enough for a nap, however short they are."""

DEATH_AT_BIRTH = 0.2
"""Seconds to wait before a slot that died without having run anything is replaced."""

NURSERY_PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds to wait after a nursery was killed at its start, until the worker gives up: what kills it will not have had enough."""


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
        self._terms = TermsByJob(jobs, options.defaults)
        self._completer = completer
        self._cradle = cradle
        self._birth = birth
        self._buffer = Buffer(options.queues)
        self._pace = Pace(self._terms)
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
        if self._is_supplied():
            time.sleep(NAP)
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

    def _is_supplied(self) -> bool:
        """Whether every slot has work ahead for longer than a nap."""
        return all(
            len(slot.sent) > PLENTY
            or (slot.sent and self._pace.of(slot.sent[0].terms.job) * (len(slot.sent) - 1) > 2 * NAP)
            for slot in self._slots
        )

    def _waits(self) -> Iterable[float]:
        for slot in self._slots:
            yield from (left for bundle in slot.running if (left := bundle.left()) is not None)
            if len(slot.sent) > 1 and not slot.is_threaded:
                yield SLOW - slot.sent[0].elapsed()
            if slot.rest_until:
                yield slot.rest_until - time.monotonic()

    # -- calls in, calls out ---------------------------------------------------------------------------------------------

    def add(self, calls: list[Claimed]) -> None:
        """Calls that were just claimed. Those of a cancelled batch, and those past their time to be retried, end here."""
        over: list[Completion] = []
        for call in calls:
            limit = self._terms[call.job].policy.retry_until
            if call.unwanted:
                over.append(Completion(call, Cancelled(), 0.0))
            elif limit is not None and call.age > limit:
                over.append(Completion(call, Expired(limit), 0.0))
        gone = {completion.call.id for completion in over}
        self._buffer.add(call for call in calls if call.id not in gone)
        self._complete(over)

    def cancel(self, ids: set[int]) -> None:
        """End calls that an operator does not want any more: at once if they wait here, by killing their slot if they run. A call
        that runs in a batch with others is left to finish."""
        for slot in self._slots:
            self._buffer.put_back(slot.take_back())
            for bundle in slot.running:
                if len(bundle.calls) == 1 and ids & bundle.calls.keys():
                    self._kill(slot, Cancelled(), bundle)
        self._complete([Completion(call, Cancelled(), 0.0) for call in self._buffer.take(ids)])

    def held(self) -> int:
        """Calls that are here, waiting or running."""
        return len(self._buffer) + sum(slot.held for slot in self._slots)

    def tokens(self) -> set[int]:
        """The run tokens of these calls."""
        sent = [bundle for slot in self._slots for bundle in slot.sent]
        return self._buffer.tokens() | {call.token for bundle in sent for call in bundle.calls.values()}

    def capacity(self) -> int:
        """How many calls it pays to hold."""
        alive = len(self.pids())
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
            if len(slot.sent) > 1 and slot.is_slow(SLOW):
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
            for bundle in slot.running:
                left, timeout = bundle.left(), bundle.terms.timeout
                if left is not None and timeout is not None and left <= 0:
                    self._kill(slot, TimedOut(timeout), bundle)

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
        """Every slot gets its first bundle before any gets a second; then each its share."""
        free = [slot for slot in self._slots if slot.is_ready() and not slot.is_slow(SLOW)]
        for slot in free:
            if not slot.sent:
                self._supply(slot, 1)
        free.sort(key=lambda slot: len(slot.sent))
        for number, slot in enumerate(free):
            self._supply(slot, -(-len(self._buffer) // (len(free) - number)))

    def _supply(self, slot: Slot, most: int) -> None:
        """Hand a slot up to so many bundles, as far as it has room for the one that is next."""
        for _ in range(most):
            calls = self._buffer.next_bundle(self._together)
            if not calls:
                return
            job = calls[0].job
            terms = self._terms[job]
            if calls[0].id in self._buffer.alone:
                terms = terms._replace(threads=1)
            if not (slot.has_room(terms, self._pace.depth(job)) and slot.hand(calls, terms)):
                self._buffer.put_back(calls)
                return

    def _together(self, job: str) -> int:
        return self._terms[job].together

    def _release(self, calls: list[Claimed]) -> None:
        if calls:
            self._completer.give_back((call.id, call.token, call.queue) for call in calls)

    def _note_started(self) -> None:
        """Write down which calls have been running for a while, for operators and for whoever may have to rescue them."""
        for slot in self._slots:
            for bundle in slot.running:
                elapsed = bundle.elapsed()
                if not bundle.noted and elapsed >= STALE and len(bundle.calls) == 1:
                    bundle.noted = True
                    timeout = bundle.terms.timeout
                    self._completer.note_started([(c.id, c.token, elapsed, timeout) for c in bundle.calls.values()])

    # -- what slots say, and their deaths --------------------------------------------------------------------------------

    def _hear_reports(self, slot: Slot) -> None:
        completions = slot.completions()
        self._pace.learn(completions)
        self._complete(completions)
        if completions and self._options.rest:
            slot.rest_until = time.monotonic() + self._options.rest

    def _complete(self, completions: list[Completion]) -> None:
        self.ended += len(completions)
        if self._buffer.alone:
            self._buffer.alone.difference_update(completion.call.id for completion in completions)
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
                if slot.death is not None:
                    self._cradle.kill(event.pid)  # it was given up before it was born
            elif slot.pid == event.pid:
                self._bury(slot, event.code)

    def _kill(self, slot: Slot, why: Outcome, guilty: Sent | None = None) -> None:
        if slot.death is None:
            slot.death, slot.guilty = why, guilty
            if slot.pid is not None:
                self._cradle.kill(slot.pid)

    def _bury(self, slot: Slot, code: int) -> None:
        """A slot died: settle what it ran, keep what it had not started, and put another in its place."""
        self._hear_reports(slot)
        self._buffer.put_back(slot.take_back())
        if slot.sent:
            over, suspects = slot.fates(SlotDied(-code, None) if code < 0 else SlotDied(None, code))
            self._complete(over)
            self._buffer.put_back_alone(suspects)
        elif slot.death is None and time.monotonic() - slot.born_at < 1:
            time.sleep(DEATH_AT_BIRTH)
        self._selector.unregister(slot.reported)
        slot.close()
        self._slots[slot.number] = Slot(slot.number)
        self._bear(self._slots[slot.number])

    def _bear(self, slot: Slot) -> None:
        slot.born_at = time.monotonic()
        self._selector.register(slot.reported, selectors.EVENT_READ, slot)
        self._cradle.bear(self._birth(slot.number), slot.far, slot.reporting)
        slot.release()

    def _replace_nursery(self, error: NurseryFailed) -> None:
        """The kernel has killed its slots; start over with a new one."""
        log.warning("%s; starting another", error)
        self._selector.unregister(self._cradle.events)
        for pause in NURSERY_PAUSES:
            self._cradle.stop()
            try:
                self._cradle.start()
                break
            except NurseryFailed:
                if not self._cradle.was_killed():
                    raise
                time.sleep(pause)
        else:
            raise NurseryFailed(f"the nursery was killed {len(NURSERY_PAUSES)} times before it was ready")
        self._selector.register(self._cradle.events, selectors.EVENT_READ)
        for slot in list(self._slots):
            self._bury(slot, -signal.SIGKILL)
