"""What would take too long while somebody waits for a page: a call that does it, with progress, on
a worker.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from psycopg import Connection

from forecourt.database import engine, in_transaction_of
from forecourt.jobs.dispatch import Call
from forecourt.jobs.job import job
from forecourt.jobs.progress import report
from forecourt.operations import failures
from forecourt.operations.failures import Action
from forecourt.store import activity, audit, failed
from forecourt.store.failed import Filter

SILENT = 30.0
"""Seconds since a worker's last heartbeat, until it does not count."""


@job(name="forecourt.act_on_failed", tries=3, backoff=10, timeout=3600)
def act_on_failed(
    action: str,
    who: str,
    job: str | None = None,
    queue: str | None = None,
    error: str | None = None,
    since: str | None = None,
) -> dict[str, int]:
    """Retry or forget all failed calls that fit. Begun again after a crash it does the rest."""
    chosen = Filter(job=job, queue=queue, error=error, since=datetime.fromisoformat(since) if since else None)
    with _transaction() as tx:
        ids = failed.selected(tx, chosen)
    doing: Action = "retry" if action == "retry" else "forget"
    seen = done = 0
    for count in failures.in_portions(_transaction, doing, ids, who=who):
        seen, done = min(len(ids), seen + failures.PORTION), done + count
        report(seen, len(ids), f"{done:,} {'retried' if doing == 'retry' else 'forgotten'}")
    return {"retried" if doing == "retry" else "forgotten": done, "stayed": len(ids) - done}


def start(tx: Connection[Any], action: Action, chosen: Filter, *, who: str, queue: str, count: int) -> Call:
    """Enter a call, on `queue`, that retries or forgets all failed calls that fit; `count` is how
    many that seem to be.
    """
    since = None if chosen.since is None else chosen.since.isoformat()
    args = {"job": chosen.job, "queue": chosen.queue, "error": chosen.error, "since": since}
    call = act_on_failed.using(queue=queue, session=tx).dispatch(
        action=action, who=who, job=chosen.job, queue=chosen.queue, error=chosen.error, since=since
    )
    audit.record(tx, who, f"queue {action} all", {"filter": args, "call": call.id}, count)
    return call


def least_urgent(tx: Connection[Any], known: Sequence[str]) -> str:
    """The least urgent queue that a live worker serves, so that the call runs and keeps nothing
    waiting; without one, of those known."""
    alive = [worker for worker in activity.of_workers(tx) if worker.silent <= SILENT and worker.queues]
    return alive[0].queues[-1] if alive else known[-1]


@contextmanager
def _transaction() -> Iterator[Connection[Any]]:
    with engine().begin() as connection:
        yield in_transaction_of(connection)
