"""The dead man's switch: a monitor elsewhere is asked for each minute, and calls somebody when it
no longer is.
"""

import logging
import threading
import time
import urllib.error
import urllib.request
from http.client import HTTPException

from forecourt.settings import settings

log = logging.getLogger("forecourt.watch")

EVERY = 60.0
TIMEOUT = 10


class Ping:
    """Asks for FORECOURT_CLOCK_PING, at most once a minute, in a thread: a monitor that is slow
    does not hold the clock up.
    """

    def __init__(self) -> None:
        self._due_at = 0.0
        self._asking: threading.Thread | None = None

    def tell(self) -> None:
        """Say that a round went well. Returns at once."""
        url = settings().clock_ping
        busy = self._asking is not None and self._asking.is_alive()
        if url is None or busy or time.monotonic() < self._due_at:
            return
        self._due_at = time.monotonic() + EVERY
        self._asking = threading.Thread(target=_ask, args=(url,), name="ping", daemon=True)
        self._asking.start()

    def await_end(self) -> None:
        """Wait until what was begun has ended: for a process that ends now."""
        if self._asking is not None:
            self._asking.join(TIMEOUT)


def _ask(url: str) -> None:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:  # noqa: S310 - http and https only, checked with the settings
            answer.read(1024)
    except (OSError, HTTPException, ValueError) as error:
        log.warning("the clock's ping failed: %s", error)
        if isinstance(error, urllib.error.HTTPError):
            error.close()
