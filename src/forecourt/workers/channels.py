"""A slot's ends of what it shares with its supervisor. They say little to each other; everything
else is on the slot's page.
"""

import select
import socket
from contextlib import suppress
from dataclasses import dataclass

from forecourt.workers.permits import Permits

BYTE = b"!"


class SupervisorGone(Exception):
    """Nobody watches any more."""


@dataclass(frozen=True, slots=True)
class Channels:
    """`wake`: bytes from the supervisor, that there may be something to claim. `flush`: bytes for
    the thread beside. `notify`: bytes to the supervisor, that there is something on the page."""

    wake: socket.socket
    flush: socket.socket
    notify: socket.socket
    permits: Permits

    def hear(self) -> None:
        """Take what the supervisor said, or wait for it. Raises SupervisorGone."""
        if not self.wake.recv(64):
            raise SupervisorGone

    def wait(self, seconds: float) -> None:
        """Wait so long, or until something is to be heard. Raises SupervisorGone."""
        poll = select.poll()
        poll.register(self.wake.fileno(), select.POLLIN)
        if poll.poll(seconds * 1000):
            self.hear()

    def tell(self) -> None:
        """Have the supervisor look at the page."""
        with suppress(BlockingIOError):  # it has heard often enough
            self.notify.send(BYTE)
