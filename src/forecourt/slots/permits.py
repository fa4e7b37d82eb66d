"""Permits: who may begin a call, decided by the kernel.

A slot that has claimed a round writes a permit for each call into a pipe, and reads one back before
it begins a call. Its supervisor holds the same end of that pipe: what it reads from there will
certainly never be begun, and what it does not get has certainly been taken. The kernel gives each
permit to one of the two, whoever dies or is frozen in between, so calls that wait behind a slow one
can be taken back exactly.
"""

import os
import select
import struct
import sys
from typing import NoReturn

PERMIT = struct.Struct("=qq")
SIZE = PERMIT.size
MOST = 4095
"""Permits that a pipe holds: 64 KiB, less one."""


class Permits:
    """One slot's pipe. A permit is a call's id and run token."""

    def __init__(self, reading: int, writing: int) -> None:
        self.reading = reading
        self.writing = writing
        self._pipe = _identity(reading)

    @classmethod
    def new(cls) -> "Permits":
        """A pipe of its own."""
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        return cls(reading, writing)

    def grant(self, calls: list[tuple[int, int]]) -> None:
        """Permit these calls, in this order."""
        os.write(self.writing, b"".join([PERMIT.pack(id, token) for id, token in calls]))

    def take(self, count: int = 1) -> bytes:
        """Up to so many permits, to be read by `unpacked`; empty when none is left."""
        try:
            permits = os.read(self.reading, SIZE * count)
        except BlockingIOError:
            permits = b""
        if not permits and _identity(self.reading) != self._pipe:
            refuse_foreign()
        return permits

    def check(self) -> None:
        """End this process if a call has closed the pipe. What was closed may be another file by
        now, and to read of that could take for ever; where it does not, the next permit tells."""
        try:
            if os.get_blocking(self.reading):
                refuse_foreign()
        except OSError:
            refuse_foreign()

    def take_back(self) -> list[tuple[int, int]]:
        """All that are left: (id, token)."""
        taken: list[tuple[int, int]] = []
        while permits := self.take(MOST):
            taken += unpacked(permits)
        return taken

    def are_left(self) -> bool:
        """Whether any is left."""
        poll = select.poll()
        poll.register(self.reading, select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        """Close both ends."""
        os.close(self.reading)
        os.close(self.writing)


def refuse_foreign() -> NoReturn:
    """End this process, which reads what is not its own."""
    sys.exit("a call closed descriptors that are not its own, so its slot ends with it")


def _identity(descriptor: int) -> tuple[int, int]:
    found = os.fstat(descriptor)
    return found.st_dev, found.st_ino


def unpacked(permits: bytes) -> list[tuple[int, int]]:
    """(id, token) of each permit."""
    return list(PERMIT.iter_unpack(permits))
