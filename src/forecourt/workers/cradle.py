"""The supervisor's side of the nursery: starts it, asks for slots, and hears of births and deaths."""

import os
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass

import orjson

from forecourt.database.engine import libpq_url
from forecourt.workers.nursery import order_birth, order_death
from forecourt.workers.slot import Birth


class NurseryFailed(RuntimeError):
    """The nursery could not load the application; what it said is on standard error."""


@dataclass(frozen=True, slots=True)
class Event:
    """A slot was born (`code` is None) or died with this exit code, negative for a signal."""

    slot: int
    pid: int
    code: int | None


class Cradle:
    """One nursery process."""

    def __init__(self, app: str) -> None:
        self._app = app
        self._process: subprocess.Popen[bytes] | None = None
        self.events: socket.socket

    def start(self) -> None:
        """Start the nursery and wait until it has loaded the application. Raises NurseryFailed."""
        self.events, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "forecourt.workers.nursery", str(theirs.fileno()), self._app],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                # The same database, also when it is the private one: slots must not become its owners.
                env=os.environ | {"FORECOURT_DATABASE_URL": libpq_url()},
            )
        if not _heard(self.events, 0):
            raise NurseryFailed(f"could not load {self._app}; see the error above")

    def bear(self, birth: Birth, channel: socket.socket, reporting: int) -> None:
        """Ask for a slot on this channel and this pipe. If the nursery is gone, the next `hear` says so."""
        with suppress(BrokenPipeError, ConnectionResetError):
            order_birth(self.events, birth, channel, reporting)

    def kill(self, pid: int) -> None:
        """Ask for a slot's death. If the nursery is gone, so is the slot."""
        with suppress(BrokenPipeError, ConnectionResetError):
            order_death(self.events, pid)

    def hear(self) -> list[Event]:
        """What happened since the last time. Raises NurseryFailed when the nursery itself is gone."""
        heard: list[Event] = []
        while True:
            try:
                message = _heard(self.events, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return heard
            if not message:
                raise NurseryFailed("the nursery ended unexpectedly")
            event = orjson.loads(message)
            heard.append(Event(event["slot"], event["pid"], event.get("code")))

    def was_killed(self) -> bool:
        """Whether a signal ended the latest nursery, so that another may fare better."""
        return self._process is not None and self._process.wait() < 0

    def stop(self) -> None:
        """End the nursery and with it every slot that is left. Does nothing when it was never started."""
        if self._process is not None:
            self.events.close()
            self._process.wait()


def _heard(events: socket.socket, flags: int) -> bytes:
    """The nursery's next message; empty when it is gone."""
    try:
        return events.recv(4096, flags)
    except ConnectionResetError:
        return b""  # gone without having read all its orders
