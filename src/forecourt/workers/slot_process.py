"""A slot as its supervisor sees it: reads its page, wakes it, takes back what it has not begun, and
has it killed. What a death means is its successor's to decide."""

import socket
from collections.abc import Sequence
from contextlib import suppress
from operator import attrgetter

from forecourt.jobs.outcome import Cancelled, Outcome, SlotDied, TimedOut
from forecourt.slots import markers
from forecourt.slots.markers import Marked, Page
from forecourt.slots.messages import Death
from forecourt.slots.permits import Permits

SLOW = 0.05
"""Seconds after which a running call counts as slow: what waits behind it in its slot is taken
back.
"""

NOTED = 1.0
"""Seconds after which a running call is noted in its row as started."""


TakenBack = list[tuple[int, int]]
"""Claims that were taken back: (id, token)."""

Started = list[tuple[int, int, float, float | None]]
"""Calls that have begun: (id, token, seconds since then, timeout)."""


class SlotProcess:
    """One slot: a place among the worker's slots, with whichever process has it."""

    def __init__(self, number: int, page: Page, inherited: Death | None = None) -> None:
        self.number = number
        self.page = page
        self.inherited = inherited
        """How its predecessor ended."""
        self.pid: int | None = None
        self.spawn_at = 0.0
        """When it is to be born, by the monotonic clock; infinity once that was asked for."""
        self.spawned_at = 0.0
        self.cause: Death | None = None
        """Why it is being killed."""
        self.has_left = False
        """Whether it ended in order."""
        self.may_go_on = False
        """Whether it was allowed more calls since it was last woken for that."""
        self._wake, self._wake_end = socket.socketpair()
        self._flush, self._flush_end = socket.socketpair()
        self._permits = Permits.new()
        self._wake.setblocking(False)
        self._flush.setblocking(False)
        self._settled = page.words[markers.SETTLED]
        self._woken = page.words[markers.IDLE]
        self._cut_off = page.words[markers.CUT_OFF]
        self._noted: set[int] = set()
        self._taken_behind = self._flushed_behind = 0

    @property
    def descriptors(self) -> list[int]:
        """Its ends, for its process."""
        return [self._permits.reading, self._permits.writing, self._wake_end.fileno(), self._flush_end.fileno()]

    @property
    def is_alive(self) -> bool:
        """Whether it has a process that is not about to be killed."""
        return self.pid is not None and self.cause is None

    @property
    def is_idle(self) -> bool:
        """Whether it found nothing to claim since it was last woken."""
        return self.is_alive and self.page.words[markers.IDLE] > self._woken

    @property
    def is_busy(self) -> bool:
        """Whether it is running a call."""
        return self.pid is not None and self.page.words[markers.LOW] < self.page.words[markers.HIGH]

    @property
    def is_settling(self) -> bool:
        """Whether it has not settled yet what its predecessor left."""
        return self.inherited is not None and self.page.words[markers.SETTLED] == self._settled

    @property
    def is_owing(self) -> bool:
        """Whether there are calls on its page whose ends are not written."""
        words = self.page.words
        return words[markers.UNWRITTEN] > 0 or any(marked.began for marked in self.page.held())

    def was_cut_off(self) -> bool:
        """Whether it claimed as much as it may since the last time, so that there may be more for
        others.
        """
        count = self.page.words[markers.CUT_OFF]
        before, self._cut_off = self._cut_off, count
        return count > before

    def wake(self) -> None:
        """Have it look for calls."""
        self._woken = self.page.words[markers.IDLE]
        _send(self._wake)

    def watch(self, now: int) -> tuple[TakenBack, Started]:
        """Look at what it runs; `now` in nanoseconds of the monotonic clock. Returns what is to be
        given back, and what is to be noted as started."""
        running = self._running()
        if not running:
            return [], []
        overdue = [marked for marked in running if 0 < marked.deadline <= now]
        if overdue:
            first = min(overdue, key=attrgetter("deadline"))
            # Of calls that run beside each other one is enough; those of a batch are one.
            tokens = frozenset(marked.token for marked in overdue if marked.began == first.began)
            self.condemn(Death(TimedOut((first.deadline - first.began) / 1e9), tokens))
        oldest = min(marked.began for marked in running)
        taken_back: TakenBack = []
        if now - oldest > SLOW * 1e9:
            taken_back = self._permits.take_back()
            self._taken_behind = oldest
            if self.page.words[markers.UNWRITTEN] and self._flushed_behind != oldest:
                self._flushed_behind = oldest
                _send(self._flush)
        return taken_back, self._to_note(running, now) if now - oldest > NOTED * 1e9 else []

    def seconds_until_due(self, now: int) -> float | None:
        """How long until there is something to do about what it runs; None when there is
        nothing.
        """
        running = self._running()
        if not running:
            return None
        dues = [marked.deadline for marked in running if marked.deadline]
        oldest = min(marked.began for marked in running)
        words = self.page.words
        if self._taken_behind != oldest and (words[markers.HELD] > words[markers.HIGH] or words[markers.UNWRITTEN]):
            dues.append(oldest + int(SLOW * 1e9))
        return max(0.0, (min(dues) - now) / 1e9) if dues else None

    def cancel(self, ids: set[int]) -> TakenBack:
        """End these calls, if it runs one of them by itself: by its death. Returns what it had not
        begun, which may be among them and goes back. A call that runs in a batch with others is
        left to finish."""
        running = self._running()
        for marked in running:
            together = sum(other.began == marked.began for other in running)
            if marked.id in ids and together == 1:
                self.condemn(Death(Cancelled(), frozenset([marked.token])))
        waiting = {marked.id for marked in self.page.held() if not marked.began}
        return self._permits.take_back() if ids & waiting else []

    def condemn(self, cause: Death) -> None:
        """It is to be killed, because of this."""
        if self.cause is None:
            self.cause = cause

    def stop(self) -> TakenBack:
        """Have it end after what it is running. Returns what it had not begun."""
        self.page.words[markers.STOP] = 1
        _send(self._wake)
        return self._permits.take_back()

    def death(self, code: int) -> Death:
        """How it ended, with this exit code. As long as its own inheritance is not settled, that of
        its predecessor.
        """
        if self.inherited is not None and self.is_settling:
            return self.inherited
        if self.cause is not None:
            return self.cause
        outcome: Outcome = SlotDied(-code, None) if code < 0 else SlotDied(None, code)
        return Death(outcome)

    def release(self) -> None:
        """Close its ends here: its process has its own."""
        self._wake_end.close()
        self._flush_end.close()

    def close(self) -> None:
        """Close everything."""
        self.release()
        self._wake.close()
        self._flush.close()
        self._permits.close()

    def _running(self) -> list[Marked]:
        """What it runs. Until it has settled what its predecessor left, its page tells of that
        one's calls.
        """
        return [] if self.is_settling else self.page.running()

    def _to_note(self, running: Sequence[Marked], now: int) -> Started:
        """Calls that run by themselves, and have for a while, each once."""
        found = []
        stamps = [marked.began for marked in running]
        for marked in running:
            if marked.token in self._noted or now - marked.began < NOTED * 1e9 or stamps.count(marked.began) > 1:
                continue
            timeout = (marked.deadline - marked.began) / 1e9 if marked.deadline else None
            found.append((marked.id, marked.token, (now - marked.began) / 1e9, timeout))
        self._noted = {marked.token for marked in running if now - marked.began >= NOTED * 1e9}
        return found


def _send(channel: socket.socket) -> None:
    with suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):  # it has heard often enough, or is gone
        channel.send(b"!")
