"""Due times and what became of them: a row unique on (task, due time), or (task, due time, host) on every server."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

CLAIM = """
INSERT INTO forecourt.ticks (task, due_at, host, status)
VALUES (%(task)s, %(due_at)s, %(host)s, 'enqueued')
ON CONFLICT (task, due_at, host) DO NOTHING
RETURNING id
"""

NOTE = """
INSERT INTO forecourt.ticks (task, due_at, host, status, why, finished_at)
VALUES (%(task)s, %(due_at)s, %(host)s, %(status)s, %(why)s, now())
ON CONFLICT (task, due_at, host) DO NOTHING
RETURNING id
"""

# Scalar subqueries, because an EXISTS may be planned as a hash of the whole backlog.
HOLDER = """
SELECT t.call_id, t.due_at, t.claimed_at, r.worker, w.host, w.pid
FROM forecourt.ticks AS t
LEFT JOIN forecourt.running AS r ON r.id = t.call_id
LEFT JOIN forecourt.workers AS w ON w.id = r.worker
WHERE t.task = %(task)s
  AND t.host = %(host)s
  AND t.finished_at IS NULL
  AND t.call_id IS NOT NULL
  AND (
      r.id IS NOT NULL
      OR (SELECT true FROM forecourt.ready WHERE id = t.call_id)
      OR (SELECT true FROM forecourt.scheduled WHERE id = t.call_id)
  )
ORDER BY t.due_at DESC
LIMIT 1
"""

CLOSE = """
UPDATE forecourt.ticks AS t
SET status = g.status,
    why = g.why,
    output = g.output::jsonb,
    started_at = clock_timestamp() - make_interval(secs => g.seconds),
    finished_at = clock_timestamp()
FROM unnest(%(calls)s::bigint[], %(statuses)s::text[], %(whys)s::text[], %(outputs)s::text[], %(seconds)s::float8[])
     AS g(call_id, status, why, output, seconds)
WHERE t.call_id = g.call_id
  AND t.finished_at IS NULL
"""

HISTORY = """
SELECT id, task, due_at, host, status, why, call_id, claimed_at, started_at, finished_at, output
FROM forecourt.ticks
WHERE (%(task)s::text IS NULL OR task = %(task)s)
ORDER BY due_at DESC, id DESC
LIMIT %(limit)s
"""

# One step from the end of the unique index for each task, however long its history.
LATEST = """
SELECT latest.*
FROM unnest(%(tasks)s::text[]) AS named(task)
CROSS JOIN LATERAL (
    SELECT id, task, due_at, host, status, why, call_id, claimed_at, started_at, finished_at, output
    FROM forecourt.ticks
    WHERE ticks.task = named.task
    ORDER BY due_at DESC
    LIMIT 1
) AS latest
"""

# Walks the unique index from its end. A due time in the future is left from a clock that once ran ahead: it proves nothing.
LAST_SUCCESS = """
SELECT finished_at, now() - finished_at AS ago
FROM forecourt.ticks
WHERE task = %(task)s
  AND status = 'succeeded'
  AND due_at <= now()
ORDER BY due_at DESC
LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Tick:
    """One due time of a task."""

    id: int
    task: str
    due_at: datetime
    host: str
    status: str
    why: str | None
    call_id: int | None
    claimed_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    output: Any


@dataclass(frozen=True, slots=True)
class Holder:
    """The live call that keeps a task from starting again. `host` and `pid` are set while a worker runs it."""

    call_id: int
    due_at: datetime
    claimed_at: datetime
    worker: int | None
    host: str | None
    pid: int | None


@dataclass(frozen=True, slots=True)
class Success:
    """When a task last succeeded, and how long ago that was by the database's clock."""

    finished_at: datetime
    ago: timedelta


@dataclass(frozen=True, slots=True)
class Closing:
    """How a tick's call ended; `output` is JSON text."""

    call_id: int
    status: str
    why: str | None
    output: str | None
    seconds: float


def claim(tx: Connection[Any], *, task: str, due_at: datetime, host: str = "") -> int | None:
    """Take a due time. None when another clock has it already. Enqueue its call in the same transaction."""
    row = tx.execute(CLAIM, {"task": task, "due_at": due_at, "host": host}).fetchone()
    return None if row is None else int(row[0])


def attach(tx: Connection[Any], tick: int, call_id: int) -> None:
    """Tie a claimed due time to its call."""
    tx.execute("UPDATE forecourt.ticks SET call_id = %(call)s WHERE id = %(tick)s", {"call": call_id, "tick": tick})


def note(tx: Connection[Any], *, task: str, due_at: datetime, host: str, status: str, why: str) -> None:
    """Record a due time that does not run, and why."""
    tx.execute(NOTE, {"task": task, "due_at": due_at, "host": host, "status": status, "why": why})


def holder(tx: Connection[Any], *, task: str, host: str = "") -> Holder | None:
    """The live call of an earlier due time, if there is one. When the call ends, so does the hold: there is no lock to expire."""
    with tx.cursor(row_factory=class_row(Holder)) as cursor:
        return cursor.execute(HOLDER, {"task": task, "host": host}).fetchone()


def close(tx: Connection[Any], closings: Sequence[Closing]) -> None:
    """Record how the ticks of these calls ended."""
    if not closings:
        return
    tx.execute(
        CLOSE,
        {
            "calls": [closing.call_id for closing in closings],
            "statuses": [closing.status for closing in closings],
            "whys": [closing.why for closing in closings],
            "outputs": [closing.output for closing in closings],
            "seconds": [closing.seconds for closing in closings],
        },
    )


def history(tx: Connection[Any], *, task: str | None = None, limit: int = 50) -> list[Tick]:
    """The latest due times, newest first."""
    with tx.cursor(row_factory=class_row(Tick)) as cursor:
        return cursor.execute(HISTORY, {"task": task, "limit": limit}).fetchall()


def latest(tx: Connection[Any], tasks: Sequence[str]) -> dict[str, Tick]:
    """Each task's latest due time."""
    with tx.cursor(row_factory=class_row(Tick)) as cursor:
        return {tick.task: tick for tick in cursor.execute(LATEST, {"tasks": list(tasks)})}


def last_success(tx: Connection[Any], task: str) -> Success | None:
    """The success of the task's latest due time that has one; None when it never succeeded."""
    with tx.cursor(row_factory=class_row(Success)) as cursor:
        return cursor.execute(LAST_SUCCESS, {"task": task}).fetchone()
