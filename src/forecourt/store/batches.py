"""Batches of calls: counted in one row, which is locked while a call of the batch ends, so that
each callback is due once.

What is added to a batch is a row of its own until a call of the batch ends, which counts it in: the
call that adds is one of the batch, so its own end sees it at the latest.
"""

from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from forecourt.store import json_text

BEGIN = """
INSERT INTO forecourt.batches (name, total, pending, allow_failures, on_success, on_failure, at_last)
VALUES (%(name)s, %(total)s, %(total)s, %(allow_failures)s, %(then)s::jsonb, %(catch)s::jsonb, %(at_last)s::jsonb)
RETURNING id
"""

GROW = """
INSERT INTO forecourt.batch_growths (batch_id, more)
SELECT id, %(more)s
FROM forecourt.batches
WHERE id = %(id)s
  AND finished_at IS NULL
RETURNING id
"""

COUNT_DOWN = """
WITH grown AS (
    DELETE FROM forecourt.batch_growths
    WHERE batch_id = %(id)s
    RETURNING more
), more AS (
    SELECT coalesce(sum(more), 0) AS more FROM grown
)
UPDATE forecourt.batches AS b
SET total = b.total + more,
    pending = b.pending + more - %(ended)s,
    failed = b.failed + %(failed)s,
    cancelled = b.cancelled + %(cancelled)s,
    cancelled_at = CASE WHEN %(failed)s > 0 AND NOT allow_failures THEN coalesce(cancelled_at, now()) ELSE cancelled_at END,
    finished_at = CASE WHEN b.pending + more = %(ended)s THEN now() END
FROM more
WHERE b.id = %(id)s
RETURNING b.id, name, total, pending, failed, cancelled, on_success, on_failure, at_last
"""

CANCELLED = "SELECT id FROM forecourt.batches WHERE id = ANY (%(ids)s) AND cancelled_at IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Standing:
    """A batch after some of its calls ended; the callbacks are plans as they were stored."""

    id: int
    name: str
    total: int
    pending: int
    failed: int
    cancelled: int
    on_success: dict[str, Any] | None
    on_failure: dict[str, Any] | None
    at_last: dict[str, Any] | None


def begin(
    tx: Connection[Any],
    *,
    name: str,
    total: int,
    allow_failures: bool,
    then: dict[str, Any] | None,
    catch: dict[str, Any] | None,
    at_last: dict[str, Any] | None,
) -> int:
    """Enter a batch of `total` calls, before they are entered themselves."""
    plans = {"then": then, "catch": catch, "at_last": at_last}
    parameters = {key: None if plan is None else json_text.dumps(plan) for key, plan in plans.items()}
    parameters |= {"name": name}
    row = tx.execute(BEGIN, parameters | {"total": total, "allow_failures": allow_failures}).fetchall()[0]
    return int(row[0])


def grow(tx: Connection[Any], id: int, more: int) -> None:
    """Count further calls in, without locking the batch. Raises ValueError when it is finished."""
    if tx.execute(GROW, {"id": id, "more": more}).fetchone() is None:
        raise ValueError(f"batch {id} is finished; nothing can be added to it")


def count_down(tx: Connection[Any], id: int, *, ended: int, failed: int, cancelled: int) -> Standing | None:
    """So many calls of the batch ended, of which some failed or were cancelled."""
    with tx.cursor(row_factory=class_row(Standing)) as cursor:
        parameters = {"id": id, "ended": ended, "failed": failed, "cancelled": cancelled}
        return cursor.execute(COUNT_DOWN, parameters).fetchone()


def cancelled(tx: Connection[Any], ids: list[int]) -> set[int]:
    """Which of these batches are cancelled."""
    return {row[0] for row in tx.execute(CANCELLED, {"ids": ids})}
