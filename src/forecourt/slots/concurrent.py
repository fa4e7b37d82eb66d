"""Runs several calls of one job at once: in threads, or as coroutines on one event loop.

While some run, the slot goes on claiming for the places that become free, as long as what it gets
are calls of the same job. They are begun at once, so nothing waits behind them.
"""

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from forecourt.jobs.definition import Definition
from forecourt.jobs.registry import Jobs
from forecourt.slots import markers
from forecourt.slots.channels import Channels
from forecourt.slots.completion import Completion
from forecourt.slots.executor import Executor
from forecourt.slots.holding import Holding
from forecourt.slots.log_capture import LogCapture
from forecourt.slots.rounds import Rounds
from forecourt.store.ready import Claimed

if TYPE_CHECKING:
    from forecourt.slots.event_loop import EventLoop

log = logging.getLogger("forecourt.slot")

OFTEN, SELDOM = 0.005, 0.02
"""Seconds between two rounds at least and at most, unless a quarter of the places is free. In
between it is a tenth of what a call takes: a place that waits longer for its next call costs more
than the round that is saved.
"""

LONGEST_WAIT = 1.0
"""Seconds between two looks at what runs when nothing else happens."""


R = TypeVar("R")


class Claiming(Protocol):
    """The slot, as far as it matters here."""

    holding: Holding
    rounds: Rounds
    channels: Channels

    @property
    def is_stopping(self) -> bool: ...
    def exchange(self, limit: int) -> list[Claimed]: ...
    def persist(self, act: Callable[[], R]) -> R | None: ...
    def allowed(self, wanted: int) -> int: ...
    def say_idle(self) -> None: ...


class Ran(NamedTuple):
    """How a stretch went: whether all of its calls could begin, and what was claimed on the way and
    waits for its permits.
    """

    whole: bool
    later: list[Claimed]


class Concurrent:
    """The places in which a slot runs calls at once."""

    def __init__(self, slot: Claiming, jobs: Jobs, capture: LogCapture, name: str) -> None:
        self._slot = slot
        self._holding = slot.holding
        self._page = slot.holding.page
        self._jobs = jobs
        self._capture = capture
        self._name = name
        self._over: deque[tuple[int, Completion]] = deque()
        self._threads: ThreadPoolExecutor | None = None
        self._loop: EventLoop | None = None
        self._running = 0
        self._usual = 0.0
        """Seconds that a call takes, as of late."""
        self._free: deque[int] = deque()
        self._noted: list[int] = []

    def run(self, row: int, calls: Sequence[Claimed], *, more: bool) -> Ran:
        """Run these calls, which are the slot's from that row on, and with `more` those of the same
        job that it claims meanwhile."""
        job = self._jobs[calls[0].job]
        places = job.policy.at_once
        pending = deque(enumerate(calls, row))
        self._free = deque(range(row + len(calls), markers.MOST_CALLS)) if more else deque()
        later: list[Claimed] = []
        whole, may_find = True, True
        turn = 0.0
        while True:
            while pending and self._running < places:
                at, call = pending.popleft()
                if not self._holding.take_permit(call):
                    whole = False
                    pending.clear()
                    break
                self._begin(job, at, call)
            if not self._running:
                return Ran(whole, later)
            if later and not self._holding.has_permits():
                later = []  # they were taken back, since what runs here takes long
            free = places - self._running
            claiming = more and may_find and not pending and not later and not self._slot.is_stopping
            room = min(free, len(self._free)) if claiming else 0
            wait = 0.0 if free * 4 >= places else turn - time.monotonic()
            if (room or self._holding.ended) and wait <= 0:
                turn = time.monotonic() + min(SELDOM, max(OFTEN, self._usual / 10))
                later = self._round(job, room) or later
                may_find = self._slot.rounds.found > 0
                if room and not may_find:
                    self._slot.say_idle()
                wait = 0.0 if may_find else LONGEST_WAIT
            elif not room and not self._holding.ended:
                wait = LONGEST_WAIT
            may_find = self._wait(max(wait, 0.0)) or may_find

    def over(self, row: int, completion: Completion) -> None:
        """A call has ended; called from wherever it ran."""
        self._page.words[markers.HEADER + row * markers.WIDTH + markers.DEADLINE] = 0
        self._over.append((row, completion))
        self._slot.channels.waiter.wake()

    def _begin(self, job: Definition[..., Any], row: int, call: Claimed) -> None:
        words = self._page.words
        low, high = words[markers.LOW], words[markers.HIGH]
        self._holding.mark(row, 1, call.job)
        if self._running:  # what runs already lies between the same bounds
            words[markers.LOW], words[markers.HIGH] = min(low, row), max(high, row + 1)
        self._running += 1
        if job.is_async:
            if self._loop is None:
                self._loop = self._new_loop()
            self._loop.start(row, call)
        else:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(max(known.policy.threads for known in self._jobs.values()))
            self._threads.submit(self._run_in_thread, row, call)

    def _new_loop(self) -> "EventLoop":
        from forecourt.slots.async_executor import AsyncExecutor
        from forecourt.slots.event_loop import EventLoop

        return EventLoop(AsyncExecutor(self._jobs, self._capture, self._name), self.over)

    def _run_in_thread(self, row: int, call: Claimed) -> None:
        try:
            self.over(row, Executor(self._jobs, self._capture).run(call))
        except BaseException:
            log.critical("what runs calls in threads is broken, so the slot ends", exc_info=True)
            os._exit(1)

    def _round(self, job: Definition[..., Any], room: int) -> list[Claimed]:
        """Write what has ended, and claim for free places. Calls of this job begin; returned are
        those from the first other one on."""
        claimed = self._slot.persist(lambda: self._slot.exchange(self._slot.allowed(room))) or []
        self._free.extend(self._noted)
        self._noted.clear()
        if not self._holding.ended:
            self._page.words[markers.WRITTEN] = 0
        rows = [(self._free.popleft(), call) for call in claimed]
        count = next((n for n, (_, call) in enumerate(rows) if call.job != job.name), len(rows))
        self._holding.note_held(rows)
        for row, call in rows[:count]:
            self._begin(job, row, call)  # at once, so there is nothing to permit
        self._holding.permit(claimed[count:])
        return claimed[count:]

    def _wait(self, longest: float) -> bool:
        """Wait until calls are over, and take note of them. True when there may be something to
        claim.
        """
        something = self._slot.channels.wait(longest)
        while self._over:
            row, completion = self._over.popleft()
            self._running -= 1
            self._usual += (completion.seconds - self._usual) / 16
            self._holding.end(row, completion)
            self._noted.append(row)
        if self._loop is not None:
            self._loop.look_after()
        return something
