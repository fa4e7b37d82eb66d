"""The one way in which a thread waits for several things: for what can be read, for a time, and for
whoever wakes it.
"""

import select
import signal
import socket
from contextlib import suppress


class Waiter:
    """What one thread waits with. Every other thread may wake it, and so may a signal, and each
    process that holds `waker`.

    A byte ends the wait. An Event would not do: setting it in a signal's handler waits for the very
    thread that it interrupted. Poll, since select knows no descriptor above 1023. Sockets rather
    than a pipe, since what writes to one whose descriptor was closed and is another file by now
    fails, and leaves that file alone.
    """

    def __init__(self) -> None:
        self._woken, self.waker = socket.socketpair()
        self._woken.setblocking(False)
        self.waker.setblocking(False)
        self._poll = select.poll()
        self.watch(self._woken.fileno())

    def watch(self, descriptor: int) -> None:
        """Wait for this one too, from now on."""
        self._poll.register(descriptor, select.POLLIN)

    def forget(self, descriptor: int) -> None:
        """Wait for it no more; to be called before it is closed."""
        self._poll.unregister(descriptor)

    def wake(self) -> None:
        """End the wait, or the next one if it has not begun."""
        with suppress(OSError):  # it has been woken often enough, or is closed
            self.waker.send(b"!")

    def wake_at_signals(self) -> None:
        """Have each signal that has a handler of Python's wake it. Only in the main thread."""
        signal.set_wakeup_fd(self.waker.fileno(), warn_on_full_buffer=False)

    def wait(self, seconds: float | None = None) -> set[int]:
        """Wait so long at most. Returns the descriptors of which something is to be read, or whose
        other end is gone; one more if it was woken, and none if the time was up."""
        patience = None if seconds is None else 1000 * max(0.0, seconds)
        ready = {descriptor for descriptor, _ in self._poll.poll(patience)}
        if self._woken.fileno() in ready:
            self._woken.recv(4096)
        return ready

    def close(self) -> None:
        """Close what wakes it."""
        self._woken.close()
        self.waker.close()
