"""What workers hold that may be gone, and its way back to ready."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from forecourt.store.running import moved

# Whoever rescues knows no job, so the attempt is counted here, and the slot that claims the call
# next decides whether it was the last.
RESCUE = """
WITH gone AS (
    DELETE FROM forecourt.running
    WHERE id = ANY (%(ids)s::bigint[])
      AND token = (%(tokens)s::bigint[])[width_bucket(id, %(ids)s::bigint[])]
    RETURNING *, width_bucket(id, %(ids)s::bigint[]) AS n
)
INSERT INTO forecourt.ready (
    id, batch_id, created_at, ready_at, priority, attempts, job, queue, args, options, history, unique_key, trace
)
SELECT id, batch_id, created_at, ready_at, priority, least(attempts + 1, 32767), job, queue, args, options,
       forecourt.remember(history, (%(incidents)s::text[])[n]::jsonb), unique_key, trace
FROM gone
RETURNING id
"""

OF_WORKERS = """
SELECT id, token, queue, attempts, started_at IS NOT NULL AS started, worker, slot
FROM forecourt.running
WHERE worker = ANY (%(workers)s)
"""

ORPHANS = """
SELECT DISTINCT r.worker
FROM forecourt.running AS r
WHERE NOT EXISTS (SELECT FROM forecourt.workers WHERE id = r.worker)
"""


class Held(NamedTuple):
    """A call in the hands of a worker that may be gone. `slot` is None where its worker did not
    say.
    """

    id: int
    token: int
    queue: str
    attempts: int
    started: bool
    worker: int
    slot: int | None


class Rescued(NamedTuple):
    """A call whose worker is gone, with the entry for its history, as a list in JSON text."""

    id: int
    token: int
    incident: str


def of_workers(tx: Connection[Any], workers: Sequence[int]) -> list[Held]:
    """What these workers hold. Scans running, which has no more rows than the fleet has slots and
    buffers.
    """
    with tx.cursor(row_factory=class_row(Held)) as cursor:
        return cursor.execute(OF_WORKERS, {"workers": list(workers)}).fetchall()


def orphans(tx: Connection[Any]) -> list[int]:
    """Workers that hold calls and have no row any more: given up, or gone, before their last claim
    was committed.
    """
    return [row[0] for row in tx.execute(ORPHANS)]


def rescue(tx: Connection[Any], calls: Sequence[Rescued]) -> set[int]:
    """running → ready, with one attempt more. Returns the ids that were still with that claim."""
    calls = sorted(calls)
    return moved(tx, RESCUE, calls, {"incidents": [call.incident for call in calls]})
