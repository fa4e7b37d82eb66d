"""The errand: what operators ask of workers through the database: to end a call, or themselves."""

from collections.abc import Callable

from forecourt.database import engine, in_transaction_of
from forecourt.store import cancel, limits, progress, wishes
from forecourt.workers.agent import Agent
from forecourt.workers.ending import cancel_waiting


class Errand(Agent):
    """Fetches an operator's wishes once a second."""

    every = 1.0

    def __init__(self, worker: Callable[[], int], hand_over: Callable[[set[int], bool], None]) -> None:
        self._worker = worker
        self._hand_over = hand_over

    def run_once(self) -> int:
        with engine().begin() as connection:
            tx = in_transaction_of(connection)
            for call, who in cancel.waiting_again(tx).items():
                cancel_waiting(tx, [call], who)
            unwanted = cancel.asked_of(tx, self._worker())
            restart = wishes.newer_than_worker(tx, "restart", self._worker())
            progress.forget(tx)
            limits.forget(tx)
        if unwanted or restart:
            self._hand_over(unwanted, restart)
        return len(unwanted)
