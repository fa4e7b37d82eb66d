"""The heartbeat: one beat on the worker's row, never on calls."""

from collections.abc import Callable

from forecourt.database.transactions import Transactions
from forecourt.store import workers
from forecourt.workers.agent import Agent


class Heartbeat(Agent):
    """Says that the worker lives, and notices when the others have given it up."""

    every = 3.0
    longest_backoff = 3.0
    """Not more: when the database is back, those who watch must hear this worker before they give
    it up.
    """

    def __init__(
        self,
        database: Transactions,
        worker: Callable[[], int],
        busy: Callable[[], int],
        stopping: Callable[[], bool],
        quiet: Callable[[], bool],
        memory: Callable[[], int | None],
    ) -> None:
        self._database = database
        self._worker = worker
        self._busy = busy
        self._stopping = stopping
        self._quiet = quiet
        self._memory = memory
        self.given_up: int | None = None
        """The worker id whose row was gone: everything claimed under it belongs to others now."""

    def run_once(self) -> int:
        worker, memory = self._worker(), self._memory()
        with self._database.each_by_itself() as tx:
            if not workers.beat(
                tx, worker, busy=self._busy(), stopping=self._stopping(), quiet=self._quiet(), memory=memory
            ):
                self.given_up = worker
        return 1
