"""Failed calls: they stay until an operator retries or removes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from forecourt.store.calls import wake

LIST = """
SELECT id, job, queue, args, attempts, error, message, failed_at, history
FROM forecourt.failed
WHERE (%(queue)s::text IS NULL OR queue = %(queue)s)
  AND (%(job)s::text IS NULL OR job = %(job)s)
  AND (%(error)s::text IS NULL OR left(error, 500) = left(%(error)s, 500))
ORDER BY failed_at DESC, id DESC
LIMIT %(limit)s
"""

# Attempts, errors and age start from zero, as if it was dispatched now; the history stays, with a
# line between, so that nobody wonders later what had happened. A batch has counted the failure and
# may be finished, so the call goes on without it. A unique call comes back only if no other has its
# key meanwhile; of several with one key the oldest. A key that was taken for a time is its own for
# no less. A deadline that is over was met, or told of.
RETRY = """
WITH pick AS MATERIALIZED (
    SELECT id, unique_key
    FROM forecourt.failed
    WHERE id = ANY (%(ids)s)
    FOR UPDATE SKIP LOCKED
), taken AS (
    INSERT INTO forecourt.uniques (key, call_id, until)
    SELECT DISTINCT ON (unique_key) unique_key, id, 'infinity'::timestamptz
    FROM pick
    WHERE unique_key IS NOT NULL
    ORDER BY unique_key, id
    ON CONFLICT (key) DO UPDATE
    SET call_id = excluded.call_id,
        until = CASE WHEN uniques.until > now() THEN uniques.until ELSE excluded.until END
    WHERE uniques.call_id = excluded.call_id
       OR uniques.until <= now()
    RETURNING call_id
), gone AS (
    DELETE FROM forecourt.failed
    WHERE id = ANY (ARRAY(SELECT id FROM pick WHERE unique_key IS NULL UNION ALL SELECT call_id FROM taken))
    RETURNING *
), reopened AS (
    UPDATE forecourt.ticks AS t
    SET status = 'enqueued', why = NULL, output = NULL, started_at = NULL, finished_at = NULL,
        deadline_at = CASE WHEN t.deadline_at > now() THEN t.deadline_at END
    FROM gone AS g
    WHERE t.id = (g.options ->> 'tick')::bigint
)
INSERT INTO forecourt.ready (
    id, batch_id, priority, job, queue, args, options, history, unique_key, trace
)
SELECT id, NULL, priority, job, queue, args, options - 'batch',
       forecourt.remember(history, jsonb_build_array(jsonb_build_object(
           'outcome', 'Retried', 'at', now(), 'message', 'by hand; dispatched first at ' || created_at
       ))),
       unique_key, trace
FROM gone
RETURNING queue
"""


@dataclass(frozen=True, slots=True)
class FailedCall:
    """A call that failed for good; `history` holds every attempt's error."""

    id: int
    job: str
    queue: str
    args: Any
    attempts: int
    error: str
    message: str
    failed_at: datetime
    history: list[dict[str, Any]]


def listed(
    tx: Connection[Any], *, queue: str | None = None, job: str | None = None, error: str | None = None, limit: int = 100
) -> list[FailedCall]:
    """The latest failed calls, newest first."""
    with tx.cursor(row_factory=class_row(FailedCall)) as cursor:
        return cursor.execute(LIST, {"queue": queue, "job": job, "error": error, "limit": limit}).fetchall()


def retry(tx: Connection[Any], ids: Sequence[int]) -> int:
    """failed → ready, with all tries anew, as if dispatched now. Returns how many: one that
    somebody else took, or a unique call of which another is live or retried, stays where it is."""
    queues = [row[0] for row in tx.execute(RETRY, {"ids": list(ids)})]
    wake(tx, sorted(set(queues)))
    return len(queues)


def forget(tx: Connection[Any], ids: Sequence[int]) -> int:
    """Remove failed calls for good. Returns how many were still there."""
    return tx.execute("DELETE FROM forecourt.failed WHERE id = ANY (%(ids)s)", {"ids": list(ids)}).rowcount
