"""The supervisor's side of the fork server: starts it, asks for slots, and hears of births and
deaths.
"""

import os
import pickle
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

from forecourt.database.address import libpq_url
from forecourt.process import fork, share
from forecourt.slots.messages import LARGEST, Birth, Event

PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds to wait after a fork server was killed at its start, until the worker gives up: what
kills it will not have had enough."""


class ForkServerFailed(RuntimeError):
    """The fork server could not load the application; what it said is on standard error."""


class ForkClient:
    """One fork server process."""

    def __init__(self, app: str) -> None:
        self._app = app
        self.pid = 0
        """The fork server's process."""
        self.events: socket.socket

    def start(self) -> tuple[str, ...]:
        """Start the fork server and wait until it has loaded the application and declared its jobs.
        Returns the queues that the application serves unless told otherwise. Raises what loading it
        raised, and ForkServerFailed.

        The first is forked from this process, which must have neither threads nor connections yet,
        and shares the memory of what it has imported by then; a later one begins from nothing.
        """
        self.events, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.pid = self._executed(theirs) if self.pid else self._forked(theirs)
        with suppress(BrokenPipeError, ConnectionResetError):
            # The same database, also when it is the private one, which may have to be started, and
            # which this process alone owns.
            self.events.sendall(libpq_url().encode())
        answer = _heard(self.events, 0)
        if not answer:
            raise ForkServerFailed(f"could not load {self._app}; see the error above")
        heard = pickle.loads(answer)  # noqa: S301 - from our own fork server
        if isinstance(heard, Exception):
            raise heard
        assert isinstance(heard, tuple)
        return heard

    def _forked(self, theirs: socket.socket) -> int:
        def live() -> None:
            from forecourt.slots.fork_server import serve  # loads what a supervisor does not need

            self.events.close()
            serve(theirs, self._app)

        share()
        return fork(live)

    def _executed(self, theirs: socket.socket) -> int:
        theirs.set_inheritable(True)
        module = "forecourt.slots.fork_server"
        command = [sys.executable, "-m", module, str(theirs.fileno()), self._app]
        return os.posix_spawn(sys.executable, command, os.environ)

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

    def restart(self) -> None:
        """Start another in place of one that has ended. Raises ForkServerFailed when it cannot load
        the application any more, or is killed again and again before it has."""
        self.stop()
        for pause in PAUSES:
            try:
                self.start()
                break
            except ForkServerFailed:
                if not self.stop():
                    raise
                time.sleep(pause)
        else:
            raise ForkServerFailed(f"the fork server was killed {len(PAUSES)} times before it was ready")

    def stop(self) -> bool:
        """End the fork server and with it every slot that is left. Returns whether a signal had
        ended it, so that another may fare better; may be called again."""
        self.events.close()
        with suppress(ChildProcessError):
            return os.WIFSIGNALED(os.waitpid(self.pid, 0)[1])
        return False


def _heard(events: socket.socket, flags: int) -> bytes:
    """The fork server's next message; empty when it is gone."""
    try:
        return events.recv(LARGEST, flags)
    except ConnectionResetError:
        return b""  # gone without having read all its orders
