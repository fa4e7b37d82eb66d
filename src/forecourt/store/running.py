"""Moves calls out of running. Each statement is guarded by (call id, run token): a row that another
worker has claimed since does not match, is not moved, and is missing from the ids that come back.

The calls of a statement come as arrays in the order of their ids, so that `width_bucket`, a binary
search, finds a row's place in them. A join would be as short, but the planner believes that running
is empty whenever it was analyzed in a quiet moment, and then compares every row with every call.
"""

from collections.abc import Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import orjson
from psycopg import BaseConnection, Connection
from psycopg.pq import Escaping

from forecourt.store.arrays import bigints, floats

FINISH = """
SELECT forecourt.finish(%(ids)s, %(tokens)s, %(seconds)s, %(details)s)
"""

FINISH_WITHIN = "SELECT forecourt.finish_within('{mark}', '{ids}', '{tokens}', '{seconds}', {details})"

NOT_WITHIN, NOT_OURS = "YF001", "YF002"
"""The codes of the errors of FINISH_WITHIN: the transaction does not bear the mark; a call is no
longer held under its token.
"""

RETRY = """
WITH gone AS (
    DELETE FROM forecourt.running
    WHERE id = ANY (%(ids)s::bigint[])
      AND token = (%(tokens)s::bigint[])[width_bucket(id, %(ids)s::bigint[])]
    RETURNING *, width_bucket(id, %(ids)s::bigint[]) AS n
)
INSERT INTO forecourt.scheduled (
    id, batch_id, created_at, ready_at, priority, attempts, job, queue, args, options, history, unique_key, trace, run_at
)
SELECT id, batch_id, created_at, ready_at, priority, least(attempts + (%(counted)s::boolean[])[n]::int, 32767), job, queue,
       args, options, forecourt.remember(history, (%(incidents)s::text[])[n]::jsonb), unique_key, trace,
       now() + make_interval(secs => (%(delays)s::float8[])[n])
FROM gone
RETURNING id
"""

FAIL = """
WITH gone AS (
    DELETE FROM forecourt.running
    WHERE id = ANY (%(ids)s::bigint[])
      AND token = (%(tokens)s::bigint[])[width_bucket(id, %(ids)s::bigint[])]
    RETURNING *, width_bucket(id, %(ids)s::bigint[]) AS n
), freed AS (
    DELETE FROM forecourt.uniques AS u
    USING gone AS g
    WHERE u.key = g.unique_key AND u.call_id = g.id AND u.until = 'infinity'
)
INSERT INTO forecourt.failed (
    id, batch_id, created_at, ready_at, priority, attempts, job, queue, args, options, history, unique_key, trace,
    worker, error, message
)
SELECT id, batch_id, created_at, ready_at, priority, least(attempts + (%(counted)s::boolean[])[n]::int, 32767), job, queue,
       args, options, forecourt.remember(history, (%(incidents)s::text[])[n]::jsonb), unique_key, trace,
       worker, (%(errors)s::text[])[n], (%(messages)s::text[])[n]
FROM gone
RETURNING id
"""

# A call that never began takes back what its claim was charged to rates, as long as their windows
# last.
GIVE_BACK = """
WITH gone AS (
    DELETE FROM forecourt.running
    WHERE id = ANY (%(ids)s::bigint[])
      AND token = (%(tokens)s::bigint[])[width_bucket(id, %(ids)s::bigint[])]
    RETURNING *
), freed AS (
    DELETE FROM forecourt.holds AS h
    USING gone AS g
    WHERE h.call_id = g.id AND h.token = g.token
    RETURNING h.key, h.ends_at
), charged AS (
    SELECT key, ends_at, count(*) AS calls
    FROM freed
    WHERE ends_at IS NOT NULL
    GROUP BY key, ends_at
), locked AS (
    SELECT r.key
    FROM forecourt.rates AS r
    JOIN charged AS c USING (key, ends_at)
    ORDER BY r.key
    FOR UPDATE OF r
), refunded AS (
    UPDATE forecourt.rates AS r
    SET used = greatest(0, r.used - c.calls)
    FROM charged AS c
    WHERE r.key = c.key
      AND r.ends_at = c.ends_at
      AND r.key IN (SELECT key FROM locked)
)
INSERT INTO forecourt.ready (
    id, batch_id, created_at, ready_at, priority, attempts, job, queue, args, options, history, unique_key, trace
)
SELECT id, batch_id, created_at, ready_at, priority, attempts, job, queue, args, options, history, unique_key, trace
FROM gone
RETURNING id
"""

MARK_STARTED = """
UPDATE forecourt.running
SET started_at = now() - make_interval(secs => (%(seconds)s::float8[])[width_bucket(id, %(ids)s::bigint[])]),
    deadline = now() + make_interval(secs => (%(left)s::float8[])[width_bucket(id, %(ids)s::bigint[])])
WHERE id = ANY (%(ids)s::bigint[])
  AND token = (%(tokens)s::bigint[])[width_bucket(id, %(ids)s::bigint[])]
"""

NO_OPTIONS: dict[str, Any] = {}
"""What most calls have."""


class Ended(NamedTuple):
    """A call that is over: `outcome` is the word that done keeps, `result` JSON text or None,
    `seconds` its running time.

    `incident` is JSON text: a list of one entry for the call's history; None when there is nothing
    to tell. `options` are those of its row: what counts on it.
    """

    id: int
    token: int
    seconds: float
    outcome: str = "finished"
    result: str | None = None
    incident: str | None = None
    options: dict[str, Any] = NO_OPTIONS


class Postponed(NamedTuple):
    """A call that runs again after `delay` seconds; `counted` says whether this was one of its
    tries.

    `incident` is JSON text: a list of one entry for the call's history, or an empty list.
    """

    id: int
    token: int
    delay: float
    counted: bool
    incident: str


class Failed(NamedTuple):
    """A call that failed for good. `incident` is JSON text: a list of the last entry for its
    history, or an empty list; `counted` says whether this was one of its tries."""

    id: int
    token: int
    seconds: float
    error: str
    message: str
    incident: str
    counted: bool = True
    options: dict[str, Any] = NO_OPTIONS


BY_ID = itemgetter(0, 1)


def finish(tx: Connection[Any], calls: Sequence[Ended]) -> set[int]:
    """running → done. Returns the ids that were still ours."""
    if not calls:
        return set()
    return set(tx.execute(FINISH, _finished(calls)).fetchall()[0][0])


def finishing_within(tx: BaseConnection[Any], calls: Sequence[Ended], mark: str) -> str:
    """The statement by which calls go from running to done together with their effects, as text, so
    that a COMMIT can follow it in the same message. It raises NOT_WITHIN unless the transaction
    bears the mark, and NOT_OURS unless all of them are still ours."""
    parameters = _finished(calls)
    # All others are digits, which the driver quotes more slowly than the database reads them.
    encoding = tx.info.encoding
    parameters["details"] = Escaping(tx.pgconn).escape_literal(parameters["details"].encode(encoding)).decode(encoding)
    return FINISH_WITHIN.format(mark=mark, **parameters)


def _finished(calls: Sequence[Ended]) -> dict[str, str]:
    calls = sorted(calls, key=BY_ID)
    details = {
        str(call.id): {name: orjson.Fragment(text) for name, text in _details(call)}
        for call in calls
        if call.result is not None or call.incident is not None or call.outcome != "finished"
    }
    return {
        "ids": bigints([call.id for call in calls]),
        "tokens": bigints([call.token for call in calls]),
        "seconds": floats([call.seconds for call in calls]),
        "details": orjson.dumps(details).decode(),
    }


def _details(call: Ended) -> list[tuple[str, str]]:
    texts = (("outcome", f'"{call.outcome}"'), ("result", call.result), ("incident", call.incident))
    return [(name, text) for name, text in texts if text is not None]


def postpone(tx: Connection[Any], calls: Sequence[Postponed]) -> set[int]:
    """running → scheduled, with one more entry in the history. Returns the ids that were still
    ours.
    """
    calls = sorted(calls, key=BY_ID)
    more = {
        "delays": floats([call.delay for call in calls]),
        "counted": [call.counted for call in calls],
        "incidents": [call.incident for call in calls],
    }
    return moved(tx, RETRY, calls, more)


def fail(tx: Connection[Any], calls: Sequence[Failed]) -> set[int]:
    """running → failed. Returns the ids that were still ours."""
    calls = sorted(calls, key=BY_ID)
    more = {
        "errors": [call.error for call in calls],
        "messages": [call.message for call in calls],
        "incidents": [call.incident for call in calls],
        "counted": [call.counted for call in calls],
    }
    return moved(tx, FAIL, calls, more)


def give_back(tx: Connection[Any], claims: Sequence[tuple[int, int]]) -> set[int]:
    """running → ready for (id, token) pairs that were claimed and never started: no attempt, no
    history.
    """
    return moved(tx, GIVE_BACK, sorted(claims), {})


def mark_started(tx: Connection[Any], started: Sequence[tuple[int, int, float, float | None]]) -> None:
    """Note that these calls have been running for so many seconds and may run so long: (id, token,
    seconds, timeout).
    """
    started = sorted(started, key=BY_ID)
    tx.execute(
        MARK_STARTED,
        {
            "ids": bigints([row[0] for row in started]),
            "tokens": bigints([row[1] for row in started]),
            "seconds": floats([row[2] for row in started]),
            "left": [None if row[3] is None else float(row[3] - row[2]) for row in started],
        },
    )


def moved(
    tx: Connection[Any], statement: str, calls: Sequence[tuple[int, int, *tuple[Any, ...]]], more: dict[str, Any]
) -> set[int]:
    """Run a statement on calls in the order of their ids; of two claims of one call the later one
    counts.
    """
    if not calls:
        return set()
    ids, tokens = bigints([call[0] for call in calls]), bigints([call[1] for call in calls])
    return {row[0] for row in tx.execute(statement, {"ids": ids, "tokens": tokens} | more).fetchall()}
