"""Signals that ask a process to stop, as something to wait for."""

import select
import signal
import socket
from collections.abc import Iterable


class StopSignals:
    """Hears signals until the process ends, each of which wakes whoever waits.

    A signal's byte ends the wait. An Event would not do: setting it in a handler waits for the very
    thread that it interrupted. What is ignored stays ignored, as nohup leaves SIGHUP.
    """

    def __init__(self, numbers: Iterable[int], *, waking: Iterable[int] = ()) -> None:
        """`numbers` ask to stop, `waking` only end a wait."""
        self.heard: list[signal.Signals] = []
        """What has come, oldest first."""
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in waking:
            signal.signal(number, lambda *_: None)
        for number in numbers:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, lambda number, _: self.heard.append(signal.Signals(number)))

    def fileno(self) -> int:
        """What a selector watches."""
        return self._reader.fileno()

    def clear(self) -> None:
        """Take note of being woken: the next wait waits again."""
        self._reader.recv(4096)

    def wait(self, seconds: float) -> None:
        """Until a signal comes, or so many seconds have passed."""
        select.select([self], [], [], seconds)
