"""The housekeeper: what the supervisor sees on its slots' pages and the database should know."""

import logging
import threading
from collections.abc import Callable, Sequence

from forecourt.database.transactions import Transactions
from forecourt.store import calls, running
from forecourt.workers.agent import Agent

log = logging.getLogger("forecourt.worker")


class Housekeeper(Agent):
    """Gives back calls that were taken back from slots, and notes those that have been running for
    a while, for operators and for whoever may have to rescue them. Nothing of it is forgotten while
    the database is away."""

    every = 60.0
    longest_backoff = 2.0

    def __init__(self, database: Transactions, queues: Sequence[str], wake: Callable[[], None]) -> None:
        self._database = database
        self._wake = wake
        self._queues = queues
        self._lock = threading.Lock()
        self._taken_back: list[tuple[int, int]] = []
        self._started: list[tuple[int, int, float, float | None]] = []

    def take(
        self, taken_back: Sequence[tuple[int, int]], started: Sequence[tuple[int, int, float, float | None]]
    ) -> None:
        """Claims that were taken back, by (id, token), and calls that run: (id, token, seconds,
        timeout).
        """
        with self._lock:
            self._taken_back += taken_back
            self._started += started
        self.poke()

    def is_done(self) -> bool:
        """Whether everything is written."""
        return not self._taken_back and not self._started

    def run_once(self) -> int:
        with self._lock:
            taken_back, started = self._taken_back[:], self._started[:]
        if not taken_back and not started:
            return 0
        with self._database.begin() as tx:
            if started:
                running.mark_started(tx, started)
            if taken_back:
                running.give_back(tx, taken_back)
                calls.wake(tx, self._queues)
        if taken_back:
            self._wake()  # before it counts as done, so that nobody takes the queues for empty
        with self._lock:
            del self._taken_back[: len(taken_back)]
            del self._started[: len(started)]
        return len(taken_back)
