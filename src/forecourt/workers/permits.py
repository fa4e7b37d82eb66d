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

PERMIT = struct.Struct("=qq")
SIZE = PERMIT.size
MOST = 4095
"""Permits that a pipe holds: 64 KiB, less one."""


class Permits:
    """One slot's pipe. A permit is a call's id and run token."""

    def __init__(self, reading: int, writing: int) -> None:
        self.reading = reading
        self.writing = writing

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
            return os.read(self.reading, SIZE * count)
        except BlockingIOError:
            return b""

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


def unpacked(permits: bytes) -> list[tuple[int, int]]:
    """(id, token) of each permit."""
    return list(PERMIT.iter_unpack(permits))
