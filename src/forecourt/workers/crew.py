"""The crew: the slots as their supervisor sees them, and what each of them holds."""

import logging
import os
import socket
import time
from collections import deque
from dataclasses import dataclass, field

from forecourt.jobs.outcome import Interrupted, Outcome
from forecourt.store.ready import Claimed
from forecourt.workers.bundle import Inbox, first_of, pack, unpack_reports
from forecourt.workers.completer import Completion
from forecourt.workers.terms import Terms

log = logging.getLogger("forecourt.worker")

AT_ONCE = 65536
"""Bytes of reports that are read at once: what the kernel keeps in a pipe."""

_inbox = Inbox()


@dataclass(slots=True)
class Sent:
    """A bundle on its way: the calls that have not been reported yet, by id. `since` is when it began, as far as is known."""

    calls: dict[int, Claimed]
    terms: Terms
    since: float
    noted: bool = False

    def elapsed(self) -> float:
        """Seconds for which it has been running."""
        return time.monotonic() - self.since

    def left(self) -> float | None:
        """Seconds until it must be over; None when it may take as long as it likes."""
        return None if self.terms.timeout is None else self.terms.timeout - self.elapsed()


@dataclass(slots=True)
class Slot:
    """One slot's channel and its bundles, oldest first: the first is running, the others wait in the channel. Of a job with
    threads all are running, and the slot is handed nothing else meanwhile.

    The supervisor keeps the slot's own end of the channel open too. The kernel gives each message to whoever receives it first, so
    a message received back here will certainly never be executed there. Reports come back through a pipe: each is written when its
    call ends, so a slot that is killed has said all that it could, and many are read at once.
    """

    number: int
    pid: int | None = None
    near: socket.socket = field(init=False)
    far: socket.socket = field(init=False)
    reported: int = field(init=False)
    reporting: int = field(init=False)
    """The pipe's end for the slot; -1 when it has been given away."""
    sent: deque[Sent] = field(default_factory=deque)
    held: int = 0
    """Calls that it has not reported yet."""
    born_at: float = 0.0
    rest_until: float = 0.0
    death: Outcome | None = None
    """Why the supervisor had it killed; None while it lives, or when it died by itself."""
    guilty: Sent | None = None
    """The bundle because of which it was killed; None when that was for all that it ran."""
    _unread: bytes = b""

    def __post_init__(self) -> None:
        self.near, self.far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.reported, self.reporting = os.pipe()
        os.set_blocking(self.reported, False)

    @property
    def is_threaded(self) -> bool:
        """Whether it is executing a job with threads."""
        return bool(self.sent) and self.sent[0].terms.threads > 1

    @property
    def running(self) -> list[Sent]:
        """The bundles that it is executing."""
        return list(self.sent) if self.is_threaded else [self.sent[0]] if self.sent else []

    def is_ready(self) -> bool:
        """Whether it lives, is not about to be killed, and does not rest."""
        return self.pid is not None and self.death is None and self.rest_until <= time.monotonic()

    def is_slow(self, seconds: float) -> bool:
        """Whether what it runs has taken so long, so that nothing should wait behind it."""
        return bool(self.sent) and not self.is_threaded and self.sent[0].elapsed() > seconds

    def has_room(self, terms: Terms, depth: int) -> bool:
        """Whether it may be handed one more bundle of a job with these terms, of which `depth` may wait in its channel."""
        if not self.sent:
            return True
        if self.is_threaded or terms.threads > 1:
            return self.sent[0].terms is terms and len(self.sent) < terms.threads
        return len(self.sent) < depth

    def hand(self, calls: list[Claimed], terms: Terms) -> bool:
        """Send a bundle. False when the channel is full; nothing was sent then."""
        try:
            self.near.send(pack(calls[0].job, terms.threads, calls), socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        self.sent.append(Sent({call.id: call for call in calls}, terms, time.monotonic()))
        self.held += len(calls)
        return True

    def completions(self) -> list[Completion]:
        """What it has reported since the last time."""
        got: list[Completion] = []
        for id, outcome, seconds, tail in unpack_reports(self._lines()):
            bundle = self._bundle_of(id)
            if bundle is None:
                log.error("a slot reported a call that it does not have", extra={"pid": self.pid, "call": id})
                continue
            got.append(Completion(bundle.calls.pop(id), outcome, seconds, tail))
            if not bundle.calls:
                self._is_over(bundle)
        self.held -= len(got)
        return got

    def _bundle_of(self, id: int) -> Sent | None:
        return next((bundle for bundle in self.sent if id in bundle.calls), None)

    def _is_over(self, bundle: Sent) -> None:
        if bundle is not self.sent[0]:
            self.sent.remove(bundle)
            return
        self.sent.popleft()
        if self.sent and not self.is_threaded:
            self.sent[0].since = time.monotonic()

    def _lines(self) -> bytes:
        """What it has written since the last time, as far as the lines are whole."""
        try:
            while chunk := os.read(self.reported, AT_ONCE):
                self._unread += chunk
                if len(chunk) < AT_ONCE:
                    break
        except BlockingIOError:
            pass
        lines, end, self._unread = self._unread.rpartition(b"\n")
        return lines + end

    def take_back(self) -> list[Claimed]:
        """The calls that it has not received yet, oldest first. They are ours again."""
        taken: list[Claimed] = []
        while (message := _inbox.receive(self.far, wait=False)) is not None:
            bundle = self._bundle_of(first_of(message))
            assert bundle is not None
            self.sent.remove(bundle)
            taken.extend(bundle.calls.values())
        self.held -= len(taken)
        return taken

    def fates(self, died: Outcome) -> tuple[list[Completion], list[Claimed]]:
        """What becomes of the calls that it ran when it died: those that are over, and those that run alone from now on, since one
        of them is to blame and nobody knows which. `died` is the outcome unless somebody had it killed."""
        outcome = self.death or died
        ran = [call for bundle in self.sent for call in bundle.calls.values()]
        log.warning("slot died: %s", outcome, extra={"pid": self.pid, "calls": [call.id for call in ran][:10]})
        over: list[Completion] = []
        suspects: list[Claimed] = []
        for bundle in self.sent:
            calls = list(bundle.calls.values())
            fate = outcome
            if self.guilty is not None and bundle is not self.guilty:
                fate = Interrupted("a call beside it in its slot was ended")
            elif not isinstance(outcome, Interrupted) and len(ran if self.guilty is None else calls) > 1:
                suspects += calls
                continue
            over += [Completion(call, fate, bundle.elapsed()) for call in calls]
        return over, suspects

    def close(self) -> None:
        """Close both ends: a slot that is still alive ends after what it is running."""
        self.near.close()
        self.far.close()
        os.close(self.reported)
        self.release()

    def release(self) -> None:
        """Close the pipe's end that the slot has been given."""
        if self.reporting >= 0:
            os.close(self.reporting)
            self.reporting = -1
