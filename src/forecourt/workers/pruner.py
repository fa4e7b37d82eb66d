"""The pruner: history has an end, so that it never slows the night down."""

import logging

import psycopg

from forecourt.database.connecting import DatabaseUnreachable
from forecourt.database.transactions import Transactions
from forecourt.store import awaited, coarser_minutes, retention, totals, workflows
from forecourt.workers.agent import Agent

log = logging.getLogger("forecourt.pruner")

KEEP_DONE = 7
"""Days that finished calls are kept."""
KEEP_MINUTES = 30
"""Days that counts by the minute are kept."""
KEEP_TICKS = 400
"""Days that due times are kept: a little more than a year, so that last year's run of a yearly task
can be seen.
"""
KEEP_BATCHES = 30
"""Days that finished batches and workflows are kept."""
KEEP_AUDIT = 400
"""Days for which is known what operators did."""
AHEAD = 3
"""Days whose partition exists before they begin."""


class Pruner(Agent):
    """Keeps partitions ahead, sums up what is counted, and removes what is too old. Of all workers
    one does so at a time.

    Failed calls are never pruned here: they leave by `queue retry`, `forget`, `flush` or `prune`.
    """

    every = 600.0

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def begin(self) -> None:
        """Have today's partition before the first call ends. Without it calls end too, so a
        connection that breaks just now is no reason to give up; the next round comes by again."""
        try:
            self.run_once()
        except (DatabaseUnreachable, psycopg.Error) as error:
            log.warning("could not prune at the start, again soon: %s", str(error).partition("\n")[0])

    def run_once(self) -> int:
        with self._database.begin() as tx:
            if not retention.alone(tx):
                return 0
            return (
                retention.keep_partitions(tx, ahead=AHEAD, days=KEEP_DONE)
                + retention.prune_workers(tx, KEEP_DONE + 1)
                + retention.prune_ticks(tx, KEEP_TICKS)
                + totals.fold(tx)
                + retention.prune_minutes(tx, KEEP_MINUTES)
                + coarser_minutes.fold(tx)
                + retention.prune_batches(tx, KEEP_BATCHES)
                + retention.prune_tasks(tx, KEEP_BATCHES)
                + retention.prune_audit(tx, KEEP_AUDIT)
                + retention.prune_uniques(tx)
                + awaited.prune(tx)
                + workflows.prune(tx, KEEP_BATCHES)
            )
