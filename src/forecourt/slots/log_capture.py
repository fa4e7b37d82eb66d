"""What a call logs: the last lines are kept with its attempt, where whoever asks what happened will
look.
"""

import logging
from collections import deque
from contextvars import ContextVar

LINES = 200
LARGEST = 16 * 1024
FORMATTER = logging.Formatter("%(asctime)s.%(msecs)03d %(levelname)s %(name)s: %(message)s", "%H:%M:%S")

_of_call: ContextVar[deque[str]] = ContextVar("lines")


class LogCapture(logging.Handler):
    """Keeps the last lines that were logged since the call began: at most 200, and 16 kB. Calls
    that run beside each other, in threads or as coroutines, have lines of their own; what other
    threads log belongs to the call that began last."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(FORMATTER)
        self._latest: deque[str] = deque(maxlen=LINES)
        self._listens = False

    def listen(self) -> None:
        """Hear what is logged from now on, also after a call has set logging up anew."""
        self._listens = True

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        try:
            line = self.format(record).replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()
        except Exception:  # noqa: BLE001 - a line that cannot be formatted must not end the call
            self.handleError(record)
        else:
            self._lines().append(line[:LARGEST])

    def lines(self) -> tuple[str, ...]:
        """The lines, oldest first."""
        kept: list[str] = []
        size = 0
        for line in reversed(self._lines()):
            size += len(line)
            if size > LARGEST:
                break
            kept.append(line)
        return tuple(reversed(kept)) if kept else ()

    def begin(self) -> None:
        """A call begins, in this thread or coroutine."""
        if self._listens and self not in logging.root.handlers:
            logging.root.addHandler(self)
        self._latest = deque(maxlen=LINES)
        _of_call.set(self._latest)

    def _lines(self) -> deque[str]:
        return _of_call.get(self._latest)
