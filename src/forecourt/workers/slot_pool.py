"""The slots of a worker: born from the fork server, watched, woken when there may be calls, and
replaced when they die.
"""

import logging
import signal
import threading
import time
from collections.abc import Callable

from forecourt.jobs.outcome import Interrupted
from forecourt.waiting import Waiter
from forecourt.workers import markers
from forecourt.workers.allowance import Allowance
from forecourt.workers.fork_client import ForkClient, ForkServerFailed
from forecourt.workers.housekeeper import Housekeeper
from forecourt.workers.markers import Markers
from forecourt.workers.messages import Birth, Death
from forecourt.workers.options import WorkOptions
from forecourt.workers.slot_process import SlotProcess

log = logging.getLogger("forecourt.worker")

DEATH_AT_BIRTH = 0.2
"""Seconds to wait before a slot that died without having run anything is replaced."""

PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds to wait after a fork server was killed at its start, until the worker gives up: what
kills it will not have had enough."""


class SlotPool:
    """A fixed number of slots. Only the supervisor's own thread may call it, but for `has_idle` and
    `wake_one`.
    """

    def __init__(
        self,
        options: WorkOptions,
        forks: ForkClient,
        pages: Markers,
        housekeeper: Housekeeper,
        birth: Callable[[int, Death | None], Birth],
        waiter: Waiter,
    ) -> None:
        self._options = options
        self._forks = forks
        self._housekeeper = housekeeper
        self._birth = birth
        self._lock = threading.Lock()
        self._owed = False
        self._waiter = waiter
        self._waiter.watch(forks.events.fileno())
        self._poll_at = 0
        self._due: list[tuple[float, SlotProcess]] = []
        self._ended_before = 0
        self.is_stopping = False
        self._allowance = Allowance(1 if options.once else options.max_jobs)
        self._worker = 0
        self._use(pages)

    def _use(self, pages: Markers) -> None:
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

    def open(self) -> None:
        """Start the slots."""
        for slot in self._slots:
            self._spawn(slot)

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
            found = slot.watch(now)
            if found.taken_back or found.started:
                self._give_back(found.taken_back)
                self._housekeeper.take([], found.started)
            if slot.cause is not None:
                self._forks.kill(slot.pid)
        self._spawn_due(now / 1e9)
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
                slot.stop()
                self._give_back(slot.take_back())
        for _, slot in self._due:
            slot.has_left = not slot.page.words[markers.HELD]
        self._due = [(at, slot) for at, slot in self._due if not slot.has_left]

    def interrupt(self, why: str) -> None:
        """Have killed whatever runs; those calls run again, and it costs them no try."""
        for slot in self._slots:
            if slot.pid is not None and not slot.is_settling:
                slot.condemn(Death(Interrupted(why)))

    def disown(self, pages: Markers) -> None:
        """Others have taken over everything that is here: kill every slot, and begin anew on other
        pages.
        """
        self._ended_before = self.ended
        for slot in self._slots:
            if slot.pid is not None:
                self._forks.kill(slot.pid)
            slot.close()
        self._due = []
        self._use(pages)
        self.open()

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

    def _spawn(self, slot: SlotProcess) -> None:
        slot.spawned_at = time.monotonic()
        wake_end, flush_end, reading, writing = slot.descriptors
        birth = self._birth(slot.number, slot.inherited)
        self._worker = birth.worker
        self._forks.spawn(birth, [wake_end, flush_end, self._waiter.waker.fileno(), reading, writing])
        slot.release()
        if self.is_stopping:
            slot.stop()

    def _spawn_due(self, now: float) -> None:
        due = [slot for at, slot in self._due if at <= now]
        self._due = [(at, slot) for at, slot in self._due if at > now]
        for slot in due:
            self._spawn(slot)

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
        self._due.append((time.monotonic() + (DEATH_AT_BIRTH if quick else 0.0), successor))
        self._spawn_due(time.monotonic())

    def _replace_fork_server(self, error: ForkServerFailed) -> None:
        """The kernel has killed its slots; start over with a new one."""
        log.warning("%s; starting another", error)
        self._waiter.forget(self._forks.events.fileno())
        for pause in PAUSES:
            self._forks.stop()
            try:
                self._forks.start()
                break
            except ForkServerFailed:
                if not self._forks.was_killed():
                    raise
                time.sleep(pause)
        else:
            raise ForkServerFailed(f"the fork server was killed {len(PAUSES)} times before it was ready")
        self._waiter.watch(self._forks.events.fileno())
        for slot in list(self._slots):
            if not slot.has_left and slot not in [due for _, due in self._due]:
                self._reap(slot, -signal.SIGKILL)
