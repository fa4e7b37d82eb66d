"""Due times become rows, unique on (task, due time), or (task, due time, host) on every server;
`tick_history` reads them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from psycopg import Connection
from psycopg.rows import class_row

CLAIM = """
INSERT INTO forecourt.ticks (task, due_at, host, status, deadline_at)
VALUES (%(task)s, %(due_at)s, %(host)s, 'enqueued', %(deadline_at)s)
ON CONFLICT (task, due_at, host) DO NOTHING
RETURNING id
"""

# Of each tick and its call both or neither. The call's id is drawn with the tick, so that nothing
# has to be tied afterwards.
ENQUEUE = """
WITH given AS MATERIALIZED (
    SELECT *
    FROM jsonb_to_recordset(%(entries)s::jsonb)
         AS given(task text, due_at timestamptz, host text, job text, queue text, priority smallint, args jsonb, options jsonb,
                  deadline_at timestamptz)
), claimed AS (
    INSERT INTO forecourt.ticks (task, due_at, host, status, deadline_at, call_id)
    SELECT task, due_at, host, 'enqueued', deadline_at, nextval('forecourt.call_ids')
    FROM given
    ON CONFLICT (task, due_at, host) DO NOTHING
    RETURNING id, task, due_at, host, call_id
), entered AS (
    INSERT INTO forecourt.ready (id, job, queue, priority, args, options)
    SELECT c.call_id, g.job, g.queue, g.priority, g.args, g.options || jsonb_build_object('tick', c.id)
    FROM claimed AS c
    JOIN given AS g USING (task, due_at, host)
)
SELECT task, due_at, call_id
FROM claimed
ORDER BY call_id
"""

NOTE = """
INSERT INTO forecourt.ticks (task, due_at, host, status, why, finished_at)
SELECT task, due_at, host, status, why, now()
FROM unnest(%(tasks)s::text[], %(dues)s::timestamptz[], %(hosts)s::text[], %(statuses)s::text[], %(whys)s::text[])
     AS given(task, due_at, host, status, why)
ON CONFLICT (task, due_at, host) DO NOTHING
RETURNING task, due_at
"""

# Nothing of them ran; what did run early keeps its row, and so does not run again.
FORGET_COMING = """
DELETE FROM forecourt.ticks AS t
USING unnest(%(tasks)s::text[], %(hosts)s::text[]) AS given(task, host)
WHERE t.task = given.task
  AND t.host = given.host
  AND t.due_at > %(now)s
  AND t.call_id IS NULL
"""

# Once each: whoever marks it tells of it.
MARK_OVERDUE = """
UPDATE forecourt.ticks AS t
SET overdue_at = %(now)s
FROM (
    SELECT id
    FROM forecourt.ticks
    WHERE deadline_at <= %(now)s
      AND finished_at IS NULL
      AND overdue_at IS NULL
      AND task = ANY (%(tasks)s::text[])
    ORDER BY deadline_at
    LIMIT %(most)s
    FOR UPDATE SKIP LOCKED
) AS late
WHERE t.id = late.id
RETURNING t.task, t.due_at, t.host, t.call_id, t.deadline_at
"""

# From the few ticks that are open, not from the tasks' long histories. Lateral and scalar
# subqueries, because a join or an EXISTS may be planned as a hash of the whole backlog, or of all
# that running has not been cleaned of.
HOLDERS = """
WITH open AS MATERIALIZED (
    SELECT call_id, task, due_at, host, claimed_at
    FROM forecourt.ticks
    WHERE finished_at IS NULL
      AND call_id IS NOT NULL
)
SELECT DISTINCT ON (t.task) t.task, t.call_id, t.due_at, t.claimed_at, r.worker, w.host, w.pid
FROM open AS t
JOIN unnest(%(tasks)s::text[], %(hosts)s::text[]) AS asked(task, host) USING (task, host)
LEFT JOIN LATERAL (SELECT id, worker FROM forecourt.running WHERE id = t.call_id LIMIT 1) AS r ON true
LEFT JOIN forecourt.workers AS w ON w.id = r.worker
WHERE r.id IS NOT NULL
   OR (SELECT true FROM forecourt.ready WHERE id = t.call_id)
   OR (SELECT true FROM forecourt.scheduled WHERE id = t.call_id)
ORDER BY t.task, t.due_at DESC
"""

NAME_WHO = """
UPDATE forecourt.ticks
SET triggered_by = %(who)s
WHERE call_id = %(call)s
  AND finished_at IS NULL
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


@dataclass(frozen=True, slots=True)
class Entry:
    """A due time and the call that it becomes; `args` are JSON text."""

    task: str
    due_at: datetime
    host: str
    job: str
    queue: str
    priority: int
    args: orjson.Fragment
    options: dict[str, Any]
    deadline_at: datetime | None


@dataclass(frozen=True, slots=True)
class Entered:
    """A due time that became a call."""

    task: str
    due_at: datetime
    call_id: int


@dataclass(frozen=True, slots=True)
class Note:
    """A due time that does not run, and why."""

    task: str
    due_at: datetime
    host: str
    status: str
    why: str


@dataclass(frozen=True, slots=True)
class Late:
    """A run that had not ended by its deadline."""

    task: str
    due_at: datetime
    host: str
    call_id: int
    deadline_at: datetime


@dataclass(frozen=True, slots=True)
class Holder:
    """The live call that keeps a task from starting again. `host` and `pid` are set while a worker
    runs it.
    """

    task: str
    call_id: int
    due_at: datetime
    claimed_at: datetime
    worker: int | None
    host: str | None
    pid: int | None


@dataclass(frozen=True, slots=True)
class Closing:
    """How a tick's call ended; `output` is JSON text."""

    call_id: int
    status: str
    why: str | None
    output: str | None
    seconds: float


def claim(
    tx: Connection[Any], *, task: str, due_at: datetime, host: str = "", deadline_at: datetime | None = None
) -> int | None:
    """Take a due time. None when another clock has it already. Enqueue its call in the same
    transaction.
    """
    row = tx.execute(CLAIM, {"task": task, "due_at": due_at, "host": host, "deadline_at": deadline_at}).fetchone()
    return None if row is None else int(row[0])


def attach(tx: Connection[Any], tick: int, call_id: int) -> None:
    """Tie a claimed due time to its call."""
    tx.execute("UPDATE forecourt.ticks SET call_id = %(call)s WHERE id = %(tick)s", {"call": call_id, "tick": tick})


def name_who(tx: Connection[Any], call_id: int, who: str) -> None:
    """Note who entered a due time that is not the timetable's."""
    tx.execute(NAME_WHO, {"call": call_id, "who": who})


def enqueue(tx: Connection[Any], entries: Sequence[Entry]) -> list[Entered]:
    """Claim due times and enter their calls, in this order; those that another clock has already
    are left out. Idle workers are not told."""
    with tx.cursor(row_factory=class_row(Entered)) as cursor:
        return cursor.execute(ENQUEUE, {"entries": orjson.dumps(entries).decode()}).fetchall()


def note(tx: Connection[Any], notes: Sequence[Note]) -> set[tuple[str, datetime]]:
    """Record due times that do not run. Returns those, as (task, due time), that nobody had
    recorded before.
    """
    if not notes:
        return set()
    rows = tx.execute(
        NOTE,
        {
            "tasks": [note.task for note in notes],
            "dues": [note.due_at for note in notes],
            "hosts": [note.host for note in notes],
            "statuses": [note.status for note in notes],
            "whys": [note.why for note in notes],
        },
    )
    return {(task, due_at) for task, due_at in rows}


def forget_coming(tx: Connection[Any], found: Sequence[tuple[str, str]], now: datetime) -> None:
    """Forget what was recorded of due times of these tasks, on these hosts, that are still to come:
    a clock that ran ahead took them for missed.
    """
    parameters = {"tasks": [task for task, _ in found], "hosts": [host for _, host in found], "now": now}
    tx.execute(FORGET_COMING, parameters)


def mark_overdue(tx: Connection[Any], tasks: Sequence[str], now: datetime, most: int) -> list[Late]:
    """Note which runs of these tasks have not ended by their deadline, and return those that nobody
    had noted before.
    """
    with tx.cursor(row_factory=class_row(Late)) as cursor:
        return cursor.execute(MARK_OVERDUE, {"tasks": list(tasks), "now": now, "most": most}).fetchall()


def holders(tx: Connection[Any], asked: Sequence[tuple[str, str]]) -> dict[str, Holder]:
    """The live call of the latest due time that has one, for each of these tasks on its host. When
    the call ends, so does the hold: there is no lock to expire."""
    if not asked:
        return {}
    parameters = {"tasks": [task for task, _ in asked], "hosts": [host for _, host in asked]}
    with tx.cursor(row_factory=class_row(Holder)) as cursor:
        return {holder.task: holder for holder in cursor.execute(HOLDERS, parameters)}


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
