"""Tells systemd how the worker does, where systemd asked to be told: that it is ready, that it
stops, and that it still turns.
"""

import logging
import os
import socket
import time
from math import inf

log = logging.getLogger("forecourt.worker")


class ServiceManager:
    """Speaks sd_notify's protocol, a datagram a word, to the socket that the environment names;
    without one it is silent.

    The watchdog is fed from the supervisor's own loop, so by a turn in which every slot was looked
    after. A thread would go on feeding it while the loop hangs. A database that is away does not
    starve it: a restart would not bring that back.
    """

    def __init__(self) -> None:
        # Only this process speaks: what it starts does not inherit the address.
        self._address = os.environ.pop("NOTIFY_SOCKET", "")
        limit = os.environ.pop("WATCHDOG_USEC", "")
        meant = os.environ.pop("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._every = int(limit) / 1_000_000 / 3 if limit.isdigit() and meant else inf
        self._next = 0.0

    def ready(self, words: str) -> None:
        """It works, in words for `systemctl status`."""
        self._tell(f"READY=1\nSTATUS={words}")

    def stopping(self, words: str) -> None:
        """It was asked to end, and finishes what runs."""
        self._tell(f"STOPPING=1\nSTATUS={words}")

    def has_turned(self) -> float:
        """The loop has come round: three times within the limit that the watchdog was given,
        systemd hears of it. Returns in how many seconds it should come round again.
        """
        now = time.monotonic()
        if now >= self._next:
            self._next = now + self._every
            if self._every < inf:
                self._tell("WATCHDOG=1")
        return self._next - now

    def _tell(self, words: str) -> None:
        if not self._address:
            return
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.setblocking(False)
                channel.sendto(words.encode(), address)
        except OSError as error:
            log.warning("systemd does not hear: %s", error)
