"""The listener: wakes idle slots within milliseconds of a dispatch. An optimization only: the
supervisor's polling is the truth.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import psycopg

from forecourt.database.connecting import connect
from forecourt.store.workers import agents_name
from forecourt.workers.agent import Agent

# The class of advisory locks that forecourt.wake() tries.
REST = "SELECT bool_and(pg_try_advisory_lock_shared(1718579829, hashtext(queue))) FROM unnest(%(queues)s::text[]) AS q(queue)"
RISE = "SELECT pg_advisory_unlock_all()"

FIRST_IMPATIENCE = 0.005
LONGEST_IMPATIENCE = 1.0
"""Seconds until another look, while somebody is dispatching at the moment of each; twice as many
after each.
"""

LINGER = 0.02
"""Seconds for which no slot must be idle until notifications are not wanted any more."""

FIRST_BACKOFF = 0.1
AT_LEAST = 60.0
"""Seconds until it looks again although nobody called it."""


class Listener(Agent):
    """While a slot is idle it holds the queues' advisory locks in shared mode, which tells those
    who dispatch that a notification is wanted; busy slots find new calls anyway, and spare them the
    cost.

    `is_wanted` says whether a slot is idle, `wake` wakes one of them. Whoever knows that
    `is_resting` is not what is wanted, or that the worker has another number, pokes it.
    """

    longest_backoff = 5.0

    def __init__(
        self,
        queues: Sequence[str],
        worker: Callable[[], int],
        is_wanted: Callable[[], bool],
        wake: Callable[[], None],
    ) -> None:
        self.every = AT_LEAST
        self._queues = list(queues)
        self._worker = worker
        self._is_wanted = is_wanted
        self._wake = wake
        self._connection: psycopg.Connection[Any] | None = None
        self._name = ""
        self._descriptor = -1
        self._impatience = FIRST_IMPATIENCE
        self._rise_at: float | None = None
        self._heard = 0
        self.is_resting = False
        """Whether those who dispatch are told that notifications are wanted."""

    def run_once(self) -> int:
        """Hear, and rest or rise if that is due. `every` says when to look again at the latest."""
        try:
            before = self._heard
            connection = self._connected()
            self._hear(connection)
            self.every = self._rest_or_rise(connection)
            # What came in while a statement was running lies in the driver already, and no socket
            # tells of it.
            self._hear(connection)
        except BaseException:
            self.close()
            self.every = FIRST_BACKOFF
            raise
        if self._heard > before:
            self.every = min(self.every, LINGER)  # perhaps no slot is idle any more
        return self._heard - before

    def close(self) -> None:
        if self._connection is not None:
            self.waiter.forget(self._descriptor)
            self._connection.close()
        self._connection = None
        self.is_resting = False

    def _connected(self) -> psycopg.Connection[Any]:
        name = agents_name(self._worker())
        if self._connection is not None and name == self._name:
            return self._connection
        self.close()
        self._connection = connect(autocommit=True, application_name=name)
        self._name = name
        self._descriptor = self._connection.fileno()  # by then it has none, once it broke
        self.waiter.watch(self._descriptor)
        self._connection.add_notify_handler(lambda notification: self._came(notification.payload))
        self._connection.execute("LISTEN forecourt_ready")
        return self._connection

    def _hear(self, connection: psycopg.Connection[Any]) -> None:
        """Take what has come in. By libpq itself: a call waits for it, and the driver's generator
        of notifications takes 90 microseconds when it has not run for a while, this takes 10.
        """
        connection.pgconn.consume_input()
        while notification := connection.pgconn.notifies():
            self._came(notification.extra.decode())

    def _came(self, queue: str) -> None:
        """Wake a slot, if the notification is of one of the queues."""
        if queue in self._queues:
            self._heard += 1
            self._wake()

    def _rest_or_rise(self, connection: psycopg.Connection[Any]) -> float:
        """Returns in how many seconds to look again."""
        if self._is_wanted():
            self._rise_at = None
            return AT_LEAST if self.is_resting else self._rest(connection)
        self._impatience = FIRST_IMPATIENCE
        if not self.is_resting:
            return AT_LEAST
        now = time.monotonic()
        self._rise_at = self._rise_at or now + LINGER
        if now < self._rise_at:
            return self._rise_at - now
        connection.execute(RISE)
        self.is_resting, self._rise_at = False, None
        return AT_LEAST

    def _rest(self, connection: psycopg.Connection[Any]) -> float:
        """Say that notifications are wanted, which must wait while somebody is dispatching at this
        very moment.
        """
        row = connection.execute(REST, {"queues": self._queues}).fetchone()
        self.is_resting = row is not None and bool(row[0])
        # One more look: a call may have entered between the slot's claim and the lock, or is
        # entering.
        self._wake()
        if self.is_resting:
            self._impatience = FIRST_IMPATIENCE
            return AT_LEAST
        connection.execute(RISE)
        impatience, self._impatience = self._impatience, min(2 * self._impatience, LONGEST_IMPATIENCE)
        return impatience
