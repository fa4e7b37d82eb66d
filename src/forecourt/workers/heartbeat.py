"""The heartbeat: one beat on the worker's row, never on calls."""

from collections.abc import Callable

from forecourt.database.transactions import Transactions
from forecourt.store import workers
from forecourt.workers.agent import Agent
from forecourt.workers.resources import Memory
from forecourt.workers.slot_pool import SlotPool


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
        pool: SlotPool,
        memory: Memory,
    ) -> None:
        self._database = database
        self._worker = worker
        self._pool = pool
        self._memory = memory
        self.given_up: int | None = None
        """The worker id whose row was gone: everything claimed under it belongs to others now."""

    def run_once(self) -> int:
        worker, pool, memory = self._worker(), self._pool, self._memory.look()
        with self._database.each_by_itself() as tx:
            if not workers.beat(
                tx, worker, busy=pool.busy(), stopping=pool.is_stopping, quiet=pool.is_quiet, memory=memory
            ):
                self.given_up = worker
        return 1
