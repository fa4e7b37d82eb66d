"""Moves calls out of running. Each statement is guarded by (call id, run token): a row that another worker has claimed since
does not match, is not moved, and is missing from the ids that come back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

# By clock_timestamp(), since now() is when the transaction began: for a job with a session, before it ran.
FINISH = """
WITH given AS MATERIALIZED (
    SELECT *
    FROM unnest(%(ids)s::bigint[], %(tokens)s::bigint[], %(seconds)s::float8[], %(outcomes)s::text[], %(results)s::text[],
                %(incidents)s::text[])
         AS given(id, token, seconds, outcome, result, incident)
), gone AS (
    DELETE FROM forecourt.running AS r
    USING given AS g
    WHERE r.id = g.id AND r.token = g.token
    RETURNING r.*, g.seconds, g.outcome, g.result, g.incident
), freed AS (
    DELETE FROM forecourt.uniques AS u
    USING gone AS g
    WHERE u.key = g.unique_key AND u.call_id = g.id AND u.until = 'infinity'
)
INSERT INTO forecourt.done (
    id, batch_id, worker, created_at, started_at, attempts, uuid, outcome, job, queue, args, history, result, trace
)
SELECT id, batch_id, worker, created_at, clock_timestamp() - make_interval(secs => seconds), least(attempts + 1, 32767),
       uuid, outcome, job, queue, args,
       CASE WHEN incident IS NULL THEN history ELSE forecourt.remember(history, incident::jsonb) END, result::jsonb, trace
FROM gone
RETURNING id
"""

RETRY = """
WITH given AS MATERIALIZED (
    SELECT *
    FROM unnest(%(ids)s::bigint[], %(tokens)s::bigint[], %(delays)s::float8[], %(counted)s::boolean[], %(incidents)s::text[])
         AS given(id, token, delay, counted, incident)
), gone AS (
    DELETE FROM forecourt.running AS r
    USING given AS g
    WHERE r.id = g.id AND r.token = g.token
    RETURNING r.*, g.delay, g.counted, g.incident
)
INSERT INTO forecourt.scheduled (
    id, batch_id, created_at, ready_at, priority, attempts, uuid, job, queue, args, options, history, unique_key, trace, run_at
)
SELECT id, batch_id, created_at, ready_at, priority, least(attempts + counted::int, 32767), uuid, job, queue, args, options,
       forecourt.remember(history, incident::jsonb), unique_key, trace, now() + make_interval(secs => delay)
FROM gone
RETURNING id
"""

FAIL = """
WITH given AS MATERIALIZED (
    SELECT *
    FROM unnest(%(ids)s::bigint[], %(tokens)s::bigint[], %(errors)s::text[], %(messages)s::text[], %(incidents)s::text[],
                %(counted)s::boolean[])
         AS given(id, token, error, message, incident, counted)
), gone AS (
    DELETE FROM forecourt.running AS r
    USING given AS g
    WHERE r.id = g.id AND r.token = g.token
    RETURNING r.*, g.error, g.message, g.incident, g.counted
), freed AS (
    DELETE FROM forecourt.uniques AS u
    USING gone AS g
    WHERE u.key = g.unique_key AND u.call_id = g.id AND u.until = 'infinity'
)
INSERT INTO forecourt.failed (
    id, batch_id, created_at, ready_at, priority, attempts, uuid, job, queue, args, options, history, unique_key, trace,
    worker, error, message
)
SELECT id, batch_id, created_at, ready_at, priority, least(attempts + counted::int, 32767), uuid, job, queue, args, options,
       forecourt.remember(history, incident::jsonb), unique_key, trace, worker, error, message
FROM gone
RETURNING id
"""

GIVE_BACK = """
WITH given AS MATERIALIZED (
    SELECT *
    FROM unnest(%(ids)s::bigint[], %(tokens)s::bigint[]) AS given(id, token)
), gone AS (
    DELETE FROM forecourt.running AS r
    USING given AS g
    WHERE r.id = g.id AND r.token = g.token
    RETURNING r.*
)
INSERT INTO forecourt.ready (
    id, batch_id, created_at, ready_at, priority, attempts, uuid, job, queue, args, options, history, unique_key, trace
)
SELECT id, batch_id, created_at, ready_at, priority, attempts, uuid, job, queue, args, options, history, unique_key, trace
FROM gone
RETURNING id
"""

MARK_STARTED = """
WITH given AS MATERIALIZED (
    SELECT *
    FROM unnest(%(ids)s::bigint[], %(tokens)s::bigint[], %(seconds)s::float8[], %(timeouts)s::float8[])
         AS given(id, token, seconds, timeout)
)
UPDATE forecourt.running AS r
SET started_at = now() - make_interval(secs => g.seconds),
    deadline = now() - make_interval(secs => g.seconds) + make_interval(secs => g.timeout)
FROM given AS g
WHERE r.id = g.id AND r.token = g.token
"""

OF_WORKERS = """
SELECT id, token, job, queue, attempts, jsonb_array_length(history) AS incidents, options::text AS options,
       started_at IS NOT NULL AS started, worker, extract(epoch FROM now() - created_at)::float8 AS age
FROM forecourt.running
WHERE worker = ANY (%(workers)s)
"""


STRAYS = """
SELECT id, token
FROM forecourt.running
WHERE worker = %(worker)s
  AND token <> ALL (%(known)s::bigint[])
"""

ORPHANS = """
SELECT DISTINCT r.worker
FROM forecourt.running AS r
WHERE NOT EXISTS (SELECT FROM forecourt.workers WHERE id = r.worker)
"""


@dataclass(frozen=True, slots=True)
class Held:
    """A call in the hands of a worker that may be gone."""

    id: int
    token: int
    job: str
    queue: str
    attempts: int
    incidents: int
    options: str
    started: bool
    worker: int
    age: float


@dataclass(frozen=True, slots=True)
class Ended:
    """A call that is over: `outcome` is the word that done keeps, `result` JSON text or None, `seconds` its running time.

    `incident` is JSON text: a list of one entry for the call's history; None when there is nothing to tell.
    """

    id: int
    token: int
    seconds: float
    outcome: str
    result: str | None
    incident: str | None = None


@dataclass(frozen=True, slots=True)
class Postponed:
    """A call that runs again after `delay` seconds; `counted` says whether this was one of its tries.

    `incident` is JSON text: a list of one entry for the call's history, or an empty list.
    """

    id: int
    token: int
    delay: float
    counted: bool
    incident: str


@dataclass(frozen=True, slots=True)
class Lost:
    """A call that failed for good. `incident` is JSON text: a list of the last entry for its history; `counted` says whether this
    was one of its tries."""

    id: int
    token: int
    error: str
    message: str
    incident: str
    counted: bool = True


def finish(tx: Connection[Any], calls: Sequence[Ended]) -> set[int]:
    """running → done. Returns the ids that were still ours."""
    return _moved(
        tx,
        FINISH,
        {
            "ids": [call.id for call in calls],
            "tokens": [call.token for call in calls],
            "seconds": [call.seconds for call in calls],
            "outcomes": [call.outcome for call in calls],
            "results": [call.result for call in calls],
            "incidents": [call.incident for call in calls],
        },
    )


def postpone(tx: Connection[Any], calls: Sequence[Postponed]) -> set[int]:
    """running → scheduled, with one more entry in the history. Returns the ids that were still ours."""
    return _moved(
        tx,
        RETRY,
        {
            "ids": [call.id for call in calls],
            "tokens": [call.token for call in calls],
            "delays": [call.delay for call in calls],
            "counted": [call.counted for call in calls],
            "incidents": [call.incident for call in calls],
        },
    )


def fail(tx: Connection[Any], calls: Sequence[Lost]) -> set[int]:
    """running → failed. Returns the ids that were still ours."""
    return _moved(
        tx,
        FAIL,
        {
            "ids": [call.id for call in calls],
            "tokens": [call.token for call in calls],
            "errors": [call.error for call in calls],
            "messages": [call.message for call in calls],
            "incidents": [call.incident for call in calls],
            "counted": [call.counted for call in calls],
        },
    )


def give_back(tx: Connection[Any], claims: Sequence[tuple[int, int]]) -> set[int]:
    """running → ready for (id, token) pairs that were claimed and never started: no attempt, no history."""
    return _moved(tx, GIVE_BACK, {"ids": [pair[0] for pair in claims], "tokens": [pair[1] for pair in claims]})


def mark_started(tx: Connection[Any], started: Sequence[tuple[int, int, float, float | None]]) -> None:
    """Note that these calls have been running for so many seconds and may run so long: (id, token, seconds, timeout)."""
    tx.execute(
        MARK_STARTED,
        {
            "ids": [row[0] for row in started],
            "tokens": [row[1] for row in started],
            "seconds": [row[2] for row in started],
            "timeouts": [row[3] for row in started],
        },
    )


def of_workers(tx: Connection[Any], workers: Sequence[int]) -> list[Held]:
    """What these workers hold. Scans running, which has no more rows than the fleet has slots and buffers."""
    with tx.cursor(row_factory=class_row(Held)) as cursor:
        return cursor.execute(OF_WORKERS, {"workers": list(workers)}).fetchall()


def strays(tx: Connection[Any], worker: int, known: set[int]) -> list[tuple[int, int]]:
    """(id, token) of the claims under a worker's name that it does not know of."""
    return [(row[0], row[1]) for row in tx.execute(STRAYS, {"worker": worker, "known": list(known)})]


def orphans(tx: Connection[Any]) -> list[int]:
    """Workers that hold calls and have no row any more: given up, or gone, before their last claim was committed."""
    return [row[0] for row in tx.execute(ORPHANS)]


def _moved(tx: Connection[Any], statement: str, parameters: dict[str, list[Any]]) -> set[int]:
    if not parameters["ids"]:
        return set()
    return {row[0] for row in tx.execute(statement, parameters)}
