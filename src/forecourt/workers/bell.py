"""The bell: wakes an idle dispatcher within milliseconds. An optimization only; polling is the truth."""

import select
import socket
from collections.abc import Sequence
from typing import Any

import psycopg

# The class of advisory locks that forecourt.wake() tries.
REST = "SELECT bool_and(pg_try_advisory_lock_shared(1718579829, hashtext(queue))) FROM unnest(%(queues)s::text[]) AS q(queue)"
RISE = "SELECT pg_advisory_unlock_all()"


class Bell:
    """Waits for a notification, a ring from another thread, or the end of patience.

    While the worker rests it holds its queues' advisory locks in shared mode, which tells those who dispatch that a notification
    is wanted; a busy worker finds new calls anyway and spares them the cost.
    """

    def __init__(self, connection: psycopg.Connection[Any], queues: Sequence[str]) -> None:
        self._connection = connection
        self._queues = list(queues)
        self.resting = False
        connection.execute("LISTEN forecourt_ready")
        connection.commit()

    def rest(self) -> bool:
        """Say that notifications are wanted. False when somebody is dispatching at this moment: look again soon."""
        row = self._connection.execute(REST, {"queues": self._queues}).fetchone()
        self._connection.commit()
        self.resting = row is not None and bool(row[0])
        if not self.resting:
            self.rise()
        return self.resting

    def rise(self) -> None:
        """Say that no notification is needed for now."""
        self._connection.execute(RISE)
        self._connection.commit()
        self.resting = False

    def wait(self, cord: socket.socket, patience: float) -> bool:
        """Wait at most `patience` seconds. True when a notification came for one of our queues."""
        # What came in while a statement was running lies in the driver already, and no socket tells of it.
        if self._heard():
            return True
        _wait([self._connection.fileno(), cord.fileno()], cord, patience)
        return self._heard()

    def _heard(self) -> bool:
        heard = [notification.payload for notification in self._connection.notifies(timeout=0)]
        return any(queue in self._queues for queue in heard)


class Silence:
    """A bell behind a pooler in transaction mode, where no connection stays one's own to listen on: only polling is left."""

    resting = False

    def rest(self) -> bool:
        """Nobody could ring, so resting is only a word for waiting until the next poll."""
        self.resting = True
        return True

    def rise(self) -> None:
        """Work again."""
        self.resting = False

    def wait(self, cord: socket.socket, patience: float) -> bool:
        """Wait at most `patience` seconds for a ring from another thread. Always False."""
        _wait([cord.fileno()], cord, patience)
        return False


def _wait(descriptors: Sequence[int], cord: socket.socket, patience: float) -> None:
    """Wait until one of them can be read, and take what is in the cord. Poll, since select knows no descriptor above 1023."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    if cord.fileno() in dict(poll.poll(patience * 1000)):
        cord.recv(4096)
