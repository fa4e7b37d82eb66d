"""Signals that ask a process to stop, as something to wait for."""

import signal
from collections.abc import Iterable

from forecourt.waiting import Waiter


class StopSignals:
    """Hears signals until the process ends, each of which wakes the waiter. What is ignored stays
    ignored, as nohup leaves SIGHUP.
    """

    def __init__(self, numbers: Iterable[int], *, waking: Iterable[int] = ()) -> None:
        """`numbers` ask to stop, `waking` only end a wait."""
        self.heard: list[signal.Signals] = []
        """What has come, oldest first."""
        self.waiter = Waiter()
        self.waiter.wake_at_signals()
        for number in waking:
            signal.signal(number, lambda *_: None)
        for number in numbers:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, lambda number, _: self.heard.append(signal.Signals(number)))
