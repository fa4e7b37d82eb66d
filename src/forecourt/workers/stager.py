"""The stager: calls whose time has come enter ready."""

from forecourt.database.transactions import Transactions
from forecourt.store import scheduled
from forecourt.workers.agent import Agent


class Stager(Agent):
    """Moves due calls from scheduled to ready. Any number of workers do so side by side: locked
    rows are skipped.
    """

    every = 3.0
    """By itself. Whoever sees that a call is due pokes it."""
    longest_backoff = 3.0
    """Not more: after an outage, what it interrupted comes back through here."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def run_once(self) -> int:
        total = 0
        while True:
            with self._database.each_by_itself() as tx:
                moved = scheduled.promote(tx)
            total += moved
            if moved < scheduled.BATCH:
                return total
