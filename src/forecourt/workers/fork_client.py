"""The supervisor's side of the fork server: starts it, asks for slots, and hears of births and
deaths.
"""

import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress

from forecourt.database.engine import libpq_url
from forecourt.workers.messages import Birth, Event, Loaded

LARGEST = 64 * 1024
"""Bytes of what it says at once."""


class ForkServerFailed(RuntimeError):
    """The fork server could not load the application; what it said is on standard error."""


class ForkClient:
    """One fork server process."""

    def __init__(self, app: str) -> None:
        self._app = app
        self._process: subprocess.Popen[bytes] | None = None
        self.events: socket.socket

    def start(self) -> Loaded:
        """Start the fork server and wait until it has loaded the application and declared its jobs.
        Raises what that raised, and ForkServerFailed."""
        self.events, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "forecourt.workers.fork_server", str(theirs.fileno()), self._app],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                # The same database, also when it is the private one: slots must not become its
                # owners.
                env=os.environ | {"FORECOURT_DATABASE_URL": libpq_url()},
            )
        answer = _heard(self.events, 0)
        if not answer:
            raise ForkServerFailed(f"could not load {self._app}; see the error above")
        heard = pickle.loads(answer)  # noqa: S301 - from our own fork server
        if isinstance(heard, Exception):
            raise heard
        assert isinstance(heard, Loaded)
        return heard

    def spawn(self, birth: Birth, descriptors: Sequence[int]) -> None:
        """Ask for a slot with these descriptors. If the fork server is gone, the next `hear` says
        so.
        """
        with suppress(BrokenPipeError, ConnectionResetError):
            socket.send_fds(self.events, [pickle.dumps(birth)], descriptors)

    def kill(self, pid: int) -> None:
        """Ask for a slot's death. If the fork server is gone, so is the slot."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.events.sendall(pickle.dumps(pid))

    def hear(self) -> list[Event]:
        """What happened since the last time. Raises ForkServerFailed when the fork server itself is
        gone.
        """
        heard: list[Event] = []
        while True:
            try:
                message = _heard(self.events, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return heard
            if not message:
                raise ForkServerFailed("the fork server ended unexpectedly")
            heard.append(pickle.loads(message))  # noqa: S301 - from our own fork server

    @property
    def pid(self) -> int | None:
        """The fork server's process."""
        return self._process.pid if self._process is not None else None

    def was_killed(self) -> bool:
        """Whether a signal ended the latest fork server, so that another may fare better."""
        return self._process is not None and self._process.wait() < 0

    def stop(self) -> None:
        """End the fork server and with it every slot that is left. Does nothing when it was never
        started.
        """
        if self._process is not None:
            self.events.close()
            self._process.wait()


def _heard(events: socket.socket, flags: int) -> bytes:
    """The fork server's next message; empty when it is gone."""
    try:
        return events.recv(LARGEST, flags)
    except ConnectionResetError:
        return b""  # gone without having read all its orders
