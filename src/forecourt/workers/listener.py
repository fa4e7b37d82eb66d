"""The listener: wakes idle slots within milliseconds of a dispatch. An optimization only: polling
is the truth, and its doing too."""

import logging
import select
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import psycopg

from forecourt.database.engine import connect
from forecourt.settings import settings
from forecourt.store.workers import agents_name

log = logging.getLogger("forecourt.worker")

# The class of advisory locks that forecourt.wake() tries.
REST = "SELECT bool_and(pg_try_advisory_lock_shared(1718579829, hashtext(queue))) FROM unnest(%(queues)s::text[]) AS q(queue)"
RISE = "SELECT pg_advisory_unlock_all()"

FIRST_IMPATIENCE = 0.005
"""Seconds until another look, while somebody is dispatching at the moment of each; twice as many
after each.
"""

LINGER = 0.02
"""Seconds for which no slot must be idle until notifications are not wanted any more."""

LONGEST_BACKOFF = 5.0


class Listener(threading.Thread):
    """While a slot is idle it holds the queues' advisory locks in shared mode, which tells those
    who dispatch that a notification is wanted; busy slots find new calls anyway, and spare them the
    cost.

    `is_wanted` says whether a slot is idle, `wake` wakes one of them. Every `sleep` seconds one is
    woken whatever was heard. Behind a pooler in transaction mode, where no connection stays one's
    own to listen on, that alone is left.
    """

    def __init__(
        self,
        queues: Sequence[str],
        sleep: float,
        worker: Callable[[], int],
        is_wanted: Callable[[], bool],
        wake: Callable[[], None],
    ) -> None:
        super().__init__(name="listener", daemon=True)
        self._queues = list(queues)
        self._sleep = sleep
        self._worker = worker
        self._is_wanted = is_wanted
        self._wake = wake
        self._woken, self._waker = socket.socketpair()
        self._waker.setblocking(False)
        self._poll_at = 0.0
        self.is_resting = False
        """Whether those who dispatch are told that notifications are wanted."""
        self._stopping = False

    def wake_up(self) -> None:
        """A slot became idle."""
        with suppress(BlockingIOError):  # it has been rung often enough
            self._waker.send(b"!")

    def stop(self) -> None:
        """End soon. May be called again, or before it was started."""
        self._stopping = True
        self.wake_up()

    def await_end(self, patience: float) -> None:
        """Wait at most `patience` seconds until it has ended, if it was ever started."""
        if self.is_alive():
            self.join(patience)

    def run(self) -> None:
        errors = 0
        while not self._stopping:
            if settings().pooled:
                self._poll([], self._sleep)
                continue
            worker = self._worker()
            try:
                with connect(autocommit=True, application_name=agents_name(worker)) as connection:
                    connection.execute("LISTEN forecourt_ready")
                    self.is_resting = False
                    while not self._stopping and self._worker() == worker:
                        self.run_once(connection)
                        errors = 0
            except Exception as error:  # noqa: BLE001 - whatever it is, polling goes on
                errors += 1
                log.warning("not listening, again soon: %s", str(error).strip() or type(error).__name__)
                self._poll([], min(0.1 * 2**errors, LONGEST_BACKOFF))

    def run_once(self, connection: psycopg.Connection[Any]) -> None:
        """Wait until there is something to do, and do it."""
        if not self.is_resting and self._is_wanted():
            self._rest(connection)
        lingering = self.is_resting and not self._is_wanted()
        # What came in while a statement was running lies in the driver already, and no socket tells
        # of it.
        if not self._hear(connection):
            self._poll([connection.fileno()], LINGER if lingering else self._sleep)
            self._hear(connection)
        if lingering and not self._is_wanted():
            connection.execute(RISE)
            self.is_resting = False

    def _hear(self, connection: psycopg.Connection[Any]) -> int:
        """Wake a slot for each notification that came for one of the queues."""
        heard = sum(notification.payload in self._queues for notification in connection.notifies(timeout=0))
        for _ in range(heard):
            self._wake()
        return heard

    def _rest(self, connection: psycopg.Connection[Any]) -> None:
        """Say that notifications are wanted, which must wait while somebody is dispatching at this
        very moment.
        """
        impatience = FIRST_IMPATIENCE
        while not self._stopping and self._is_wanted():
            row = connection.execute(REST, {"queues": self._queues}).fetchone()
            self.is_resting = row is not None and bool(row[0])
            # One more look: a call may have entered between the slot's claim and the lock, or is
            # entering.
            self._wake()
            if self.is_resting:
                break
            connection.execute(RISE)
            self._poll([], impatience)
            impatience = min(impatience * 2, self._sleep)

    def _poll(self, descriptors: Sequence[int], patience: float) -> None:
        """Wait until one of them can be read, it is woken up, or patience ends. Poll, since select
        knows no descriptor above 1023."""
        now = time.monotonic()
        if now >= self._poll_at:
            self._poll_at = now + self._sleep
            self._wake()
        poll = select.poll()
        for descriptor in (*descriptors, self._woken.fileno()):
            poll.register(descriptor, select.POLLIN)
        ready = dict(poll.poll(1000 * max(0.0, min(patience, self._poll_at - now))))
        if self._woken.fileno() in ready:
            self._woken.recv(4096)
