"""Control requests: what operators ask of workers through the database, to end a call, or
themselves; and on the way, whether a call is due.
"""

import time
from collections.abc import Callable

from forecourt.database.transactions import Transactions
from forecourt.store import cancel, limits, progress, requests
from forecourt.store.ending import cancel_waiting
from forecourt.store.requests import Asked
from forecourt.workers.agent import Agent

SWEEP = 3.0
"""Seconds between two removals of what was noted of calls that are over."""


class Control(Agent):
    """Fetches the operators' requests twice a second, and says when a call's time has come."""

    every = 0.5
    longest_backoff = 3.0

    def __init__(
        self,
        database: Transactions,
        worker: Callable[[], int],
        hand_over: Callable[[set[int], tuple[Asked | None, str]], None],
        stage: Callable[[], None],
    ) -> None:
        self._database = database
        self._worker = worker
        self._hand_over = hand_over
        self._stage = stage
        self._asked: tuple[Asked | None, str] = (None, "")
        self._sweep_at = 0.0

    def run_once(self) -> int:
        with self._database.each_by_itself() as tx:
            found = requests.asked_of(tx, self._worker())
        if found.is_due:
            self._stage()
        if found.waiting:
            with self._database.begin() as tx:
                for call, who in found.waiting.items():
                    cancel_waiting(tx, [call], who)
        asked = found.itself or self._asked
        if found.unwanted or asked != self._asked:
            self._asked = asked
            self._hand_over(found.unwanted, asked)
        self._sweep()
        return len(found.unwanted)

    def _sweep(self) -> None:
        now = time.monotonic()
        if now < self._sweep_at:
            return
        with self._database.each_by_itself() as tx:
            cancel.forget(tx)
            progress.forget(tx)
            limits.forget(tx)
        self._sweep_at = now + SWEEP
