"""Control requests: what operators ask of workers through the database, to end a call, or
themselves.
"""

from collections.abc import Callable

from forecourt.database.transactions import Transactions
from forecourt.store import cancel, limits, progress, requests
from forecourt.workers.agent import Agent
from forecourt.workers.ending import cancel_waiting


class Control(Agent):
    """Fetches the operators' requests once a second."""

    every = 1.0

    def __init__(
        self, database: Transactions, worker: Callable[[], int], hand_over: Callable[[set[int], bool], None]
    ) -> None:
        self._database = database
        self._worker = worker
        self._hand_over = hand_over

    def run_once(self) -> int:
        with self._database.begin() as tx:
            for call, who in cancel.waiting_again(tx).items():
                cancel_waiting(tx, [call], who)
            unwanted = cancel.asked_of(tx, self._worker())
            restart = requests.newer_than_worker(tx, "restart", self._worker())
            progress.forget(tx)
            limits.forget(tx)
        if unwanted or restart:
            self._hand_over(unwanted, restart)
        return len(unwanted)
