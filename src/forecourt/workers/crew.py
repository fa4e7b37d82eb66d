"""The crew: the slots as their supervisor sees them, and what each of them holds."""

import socket
import time
from collections import deque
from dataclasses import dataclass, field

import orjson

from forecourt.jobs.outcome import Outcome
from forecourt.store.ready import Claimed
from forecourt.workers.bundle import Report, pack, unpack_reports
from forecourt.workers.slot import LARGEST_MESSAGE


@dataclass(slots=True)
class Sent:
    """A bundle on its way: the calls that have not been reported yet, by id."""

    calls: dict[int, Claimed]
    timeout: float | None
    noted: bool = False


@dataclass(slots=True)
class Slot:
    """One slot's channel and its bundles, oldest first: the first is running, the others wait in the channel.

    The supervisor keeps the slot's own end of the channel open too. The kernel gives each message to whoever receives it first, so
    a message received back here will certainly never be executed there.
    """

    number: int
    pid: int | None = None
    near: socket.socket = field(init=False)
    far: socket.socket = field(init=False)
    sent: deque[Sent] = field(default_factory=deque)
    since: float = 0.0
    born_at: float = 0.0
    rest_until: float = 0.0
    death: Outcome | None = None
    """Why the supervisor had it killed; None while it lives, or when it died by itself."""

    def __post_init__(self) -> None:
        self.near, self.far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    @property
    def held(self) -> int:
        """Calls that it has not reported yet."""
        return sum(len(bundle.calls) for bundle in self.sent)

    @property
    def running(self) -> Sent | None:
        """The bundle that it is executing."""
        return self.sent[0] if self.sent else None

    def elapsed(self) -> float:
        """Seconds for which the running bundle has been running; 0 when there is none."""
        return time.monotonic() - self.since if self.sent else 0.0

    def hand(self, calls: list[Claimed], timeout: float | None) -> bool:
        """Send a bundle. False when the channel is full; nothing was sent then."""
        try:
            self.near.send(pack(calls[0].job, calls), socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        if not self.sent:
            self.since = time.monotonic()
        self.sent.append(Sent({call.id: call for call in calls}, timeout))
        return True

    def reports(self) -> list[tuple[Report, Claimed]]:
        """What it has reported since the last time, each with its call."""
        got: list[tuple[Report, Claimed]] = []
        while (message := _receive(self.near)) is not None:
            for report in unpack_reports(message):
                bundle = self.sent[0]
                got.append((report, bundle.calls.pop(report.id)))
                if not bundle.calls:
                    self.sent.popleft()
                    self.since = time.monotonic()
        return got

    def take_back(self) -> list[Claimed]:
        """The calls that it has not received yet, oldest first. They are ours again."""
        taken: list[Claimed] = []
        while (message := _receive(self.far)) is not None:
            first = orjson.loads(message)[1][0][0]
            bundle = next(bundle for bundle in self.sent if first in bundle.calls)
            self.sent.remove(bundle)
            taken.extend(bundle.calls.values())
        return taken

    def close(self) -> None:
        """Close both ends: a slot that is still alive ends after its current bundle."""
        self.near.close()
        self.far.close()


def _receive(end: socket.socket) -> bytes | None:
    try:
        return end.recv(LARGEST_MESSAGE, socket.MSG_DONTWAIT) or None
    except (BlockingIOError, ConnectionResetError):
        return None
