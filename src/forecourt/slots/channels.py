"""A slot's ends of what it shares with its supervisor. They say little to each other; everything
else is on the slot's page.
"""

import socket
from contextlib import suppress
from dataclasses import dataclass, field

from forecourt.slots.permits import Permits
from forecourt.waiting import Waiter

BYTE = b"!"


class SupervisorGone(Exception):
    """Nobody watches any more."""


@dataclass(frozen=True, slots=True)
class Channels:
    """`wake`: bytes from the supervisor, that there may be something to claim. `flush`: bytes for
    the thread beside. `notify`: bytes to the supervisor, that there is something on the page.
    `waiter`: for what the slot waits for beside its supervisor."""

    wake: socket.socket
    flush: socket.socket
    notify: socket.socket
    permits: Permits
    waiter: Waiter = field(default_factory=Waiter)

    def __post_init__(self) -> None:
        self.waiter.watch(self.wake.fileno())

    def hear(self) -> None:
        """Take what the supervisor said, or wait for it. Raises SupervisorGone."""
        if not self.wake.recv(64):
            raise SupervisorGone

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until something happened, and take what the supervisor said. Returns
        whether anything did. Raises SupervisorGone."""
        ready = self.waiter.wait(seconds)
        if self.wake.fileno() in ready:
            self.hear()
        return bool(ready)

    def tell(self) -> None:
        """Have the supervisor look at the page."""
        with suppress(BlockingIOError):  # it has heard often enough
            self.notify.send(BYTE)
