"""The slots of a worker: born from the fork server, watched, woken when there may be calls, and
replaced when they die.
"""

import logging
import signal
import threading
import time
from math import inf

from forecourt.jobs.outcome import Interrupted
from forecourt.slots import markers
from forecourt.slots.markers import Markers
from forecourt.slots.messages import Birth, Death
from forecourt.slots.options import WorkOptions
from forecourt.waiting import Waiter
from forecourt.workers.allowance import Allowance
from forecourt.workers.fork_client import ForkClient, ForkServerFailed
from forecourt.workers.housekeeper import Housekeeper
from forecourt.workers.slot_process import SlotProcess

log = logging.getLogger("forecourt.worker")

DEATH_AT_BIRTH = 0.2
"""Seconds to wait before a slot that died without having run anything is replaced."""


class SlotPool:
    """A fixed number of slots. Only the supervisor's own thread may call it, but for `has_idle` and
    `wake_one`.
    """

    def __init__(
        self,
        options: WorkOptions,
        forks: ForkClient,
        worker: int,
        pages: Markers,
        housekeeper: Housekeeper,
        waiter: Waiter,
    ) -> None:
        self._options = options
        self._forks = forks
        self._housekeeper = housekeeper
        self._lock = threading.Lock()
        self._owed = False
        self._waiter = waiter
        self._waiter.watch(forks.events.fileno())
        self._poll_at = 0
        self._ended_before = 0
        self.is_stopping = False
        self._allowance = Allowance(1 if options.once else options.max_jobs)
        self._use(worker, pages)

    def _use(self, worker: int, pages: Markers) -> None:
        self._worker = worker
        self._pages = pages
        self._slots = [SlotProcess(number, page) for number, page in enumerate(pages.pages)]
        self._allowance.begin(self._slots, self._ended_before)

    # -- what it knows -----------------------------------------------------------------------------

    @property
    def ended(self) -> int:
        """Attempts that have ended."""
        return self._ended_before + sum(slot.page.words[markers.ENDED] for slot in self._slots)

    def busy(self) -> int:
        """Slots that are running a call."""
        return sum(slot.is_busy for slot in self._slots)

    def has_idle(self) -> bool:
        """Whether a slot found nothing to claim and waits for more."""
        return not self.is_quiet and any(slot.is_idle for slot in self._slots)

    @property
    def is_quiet(self) -> bool:
        """Whether none may claim anything, because somebody asked for that."""
        return self._allowance.is_quiet

    def is_at_rest(self) -> bool:
        """Whether every slot found nothing to claim, and runs nothing."""
        return all(slot.is_idle and not slot.is_busy for slot in self._slots)

    def is_empty(self) -> bool:
        """Whether every slot found nothing to claim after everything that any of them ran had
        ended, and was written.
        """
        return self._housekeeper.is_done() and not (self._owed or self.is_quiet) and self.is_at_rest()

    def has_left(self) -> bool:
        """Whether every slot has ended in order."""
        return all(slot.has_left for slot in self._slots)

    def owing(self) -> int:
        """Slots that have run calls whose ends are not written."""
        return sum(slot.is_owing for slot in self._slots)

    def pids(self) -> list[int]:
        """The slots' processes."""
        return [slot.pid for slot in self._slots if slot.pid is not None]

    # -- what it does ------------------------------------------------------------------------------

    def wake_one(self) -> None:
        """Have an idle slot look for calls; if none is idle, the next one that is."""
        with self._lock:
            for slot in self._slots:
                if slot.is_idle and self._allowance.is_open(slot):
                    slot.wake()
                    return
            self._owed = True

    def wait(self, longest: float) -> None:
        """Wait until something happens or is due, at most `longest` seconds, and hear of births and
        deaths.
        """
        now = time.monotonic_ns()
        dues = [due for slot in self._slots if (due := slot.seconds_until_due(now)) is not None]
        if self.has_idle():
            dues.append((self._poll_at - now) / 1e9)
        if self._forks.events.fileno() in self._waiter.wait(min([longest, *dues])):
            self._hear()

    def watch(self) -> None:
        """Enforce deadlines, take back what waits behind slow calls, and see who is idle. Every
        `--sleep` seconds one looks for calls, whatever was heard."""
        now = time.monotonic_ns()
        for slot in self._slots:
            if slot.pid is None:
                continue
            taken_back, started = slot.watch(now)
            self._give_back(taken_back)
            if started:
                self._housekeeper.take([], started)
            if slot.cause is not None:
                self._forks.kill(slot.pid)
        self.spawn()
        self._allowance.grant()
        if now >= self._poll_at:
            self._poll_at = now + int(self._options.sleep * 1e9)
            self.wake_one()
        is_idle = self.has_idle()
        cut_off = sum(slot.was_cut_off() for slot in self._slots)
        if is_idle and (self._owed or cut_off):
            self._owed = False
            self.wake_one()
        for slot in self._slots:
            slot.page.words[markers.WANTED] = is_idle

    def cancel(self, ids: set[int]) -> None:
        """End calls that an operator does not want any more: those that wait here go back, to be
        ended there.
        """
        for slot in self._slots:
            self._give_back(slot.cancel(ids))

    def quiet(self, wanted: bool) -> bool:
        """Have no slot claim any more, or let all go on. Returns whether that is new."""
        if not self._allowance.quiet(wanted):
            return False
        self.wake_one()
        log.info("quiet: nothing more is claimed" if wanted else "no longer quiet", extra={"worker": self._worker})
        return True

    def stop(self) -> None:
        """Have every slot end after what it is running, and take back the rest. To be called until
        all have left.
        """
        self.is_stopping = True
        for slot in self._slots:
            if not slot.has_left:
                self._give_back(slot.stop())
                slot.has_left = slot.spawn_at < inf and not slot.page.words[markers.HELD]

    def interrupt(self, why: str) -> None:
        """Have killed whatever runs; those calls run again, and it costs them no try."""
        for slot in self._slots:
            if slot.pid is not None and not slot.is_settling:
                slot.condemn(Death(Interrupted(why)))

    def disown(self, worker: int, pages: Markers) -> None:
        """Others have taken over everything that is here: kill every slot, and begin anew as
        another worker.
        """
        self._ended_before = self.ended
        for slot in self._slots:
            if slot.pid is not None:
                self._forks.kill(slot.pid)
            slot.close()
        self._use(worker, pages)
        self.spawn()

    def close(self) -> None:
        """End every slot that is left."""
        self._forks.stop()
        for slot in self._slots:
            slot.close()

    def _give_back(self, taken: list[tuple[int, int]]) -> None:
        if taken:
            self._allowance.give_back(len(taken))
            self._housekeeper.take(taken, [])

    # -- births and deaths -------------------------------------------------------------------------

    def spawn(self) -> None:
        """Start the slots whose time to be born has come."""
        now = time.monotonic()
        for slot in self._slots:
            if slot.has_left or slot.spawn_at > now:
                continue
            slot.spawn_at, slot.spawned_at = inf, now
            birth = Birth(slot.number, self._worker, self._options, slot.inherited)
            self._forks.spawn(birth, [*slot.descriptors, self._waiter.waker.fileno(), self._pages.descriptor])
            slot.release()
            if self.is_stopping:
                slot.stop()

    def _hear(self) -> None:
        try:
            events = self._forks.hear()
        except ForkServerFailed as error:
            self._replace_fork_server(error)
            return
        for event in events:
            slot = self._slots[event.slot]
            if event.worker != self._worker:
                if event.code is None:
                    self._forks.kill(event.pid)  # it was disowned before it was born
            elif event.code is None:
                slot.pid = event.pid
            elif slot.pid == event.pid:
                self._reap(slot, event.code)

    def _reap(self, slot: SlotProcess, code: int) -> None:
        """A slot has ended: put another in its place, unless it ended because it was to."""
        slot.pid = None
        page = slot.page
        if self.is_stopping and code == 0 and not page.words[markers.HELD]:
            slot.has_left = True
            return
        death = slot.death(code)
        running = [marked.id for marked in page.running()]
        log.warning("slot died: %s", death.outcome, extra={"slot": slot.number, "calls": running[:10]})
        slot.close()
        successor = SlotProcess(slot.number, page, death)
        self._slots[slot.number] = successor
        quick = slot.is_settling or (slot.cause is None and not running and time.monotonic() - slot.spawned_at < 1)
        successor.spawn_at = time.monotonic() + (DEATH_AT_BIRTH if quick else 0.0)
        self.spawn()

    def _replace_fork_server(self, error: ForkServerFailed) -> None:
        """The kernel has killed its slots; start over with a new one."""
        log.warning("%s; starting another", error)
        self._waiter.forget(self._forks.events.fileno())
        self._forks.restart()
        self._waiter.watch(self._forks.events.fileno())
        for slot in list(self._slots):
            if not slot.has_left and slot.spawn_at == inf:
                self._reap(slot, -signal.SIGKILL)
