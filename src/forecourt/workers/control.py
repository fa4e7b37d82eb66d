"""Control requests: what operators ask of workers through the database, to end a call, or
themselves.
"""

import time
from collections.abc import Callable

from forecourt.database.transactions import Transactions
from forecourt.store import cancel, limits, progress, requests
from forecourt.store.requests import Asked
from forecourt.workers.agent import Agent
from forecourt.workers.ending import cancel_waiting

SWEEP = 3.0
"""Seconds between two removals of what was noted of calls that are over."""


class Control(Agent):
    """Fetches the operators' requests once a second."""

    every = 1.0

    def __init__(
        self,
        database: Transactions,
        worker: Callable[[], int],
        hand_over: Callable[[set[int], tuple[Asked | None, str]], None],
    ) -> None:
        self._database = database
        self._worker = worker
        self._hand_over = hand_over
        self._asked: tuple[Asked | None, str] = (None, "")
        self._sweep_at = 0.0

    def run_once(self) -> int:
        with self._database.each_by_itself() as tx:
            waiting = cancel.waiting_again(tx)
            unwanted = cancel.asked_of(tx, self._worker())
            asked = requests.asked_of(tx, self._worker()) or self._asked
        if waiting:
            with self._database.begin() as tx:
                for call, who in waiting.items():
                    cancel_waiting(tx, [call], who)
        if unwanted or asked != self._asked:
            self._asked = asked
            self._hand_over(unwanted, asked)
        self._sweep()
        return len(unwanted)

    def _sweep(self) -> None:
        now = time.monotonic()
        if now < self._sweep_at:
            return
        with self._database.each_by_itself() as tx:
            cancel.forget(tx)
            progress.forget(tx)
            limits.forget(tx)
        self._sweep_at = now + SWEEP
