"""The calls that fit a search, all of them: what an action on a whole filter acts on, a portion at
a time.

Pages look among the latest calls of a state only; an action does not leave the older ones out.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

from psycopg import Connection

from forecourt.store.search import LARGEST_ID, Search

# The state is a constant of each branch: the tables of the others are not read.
IDS = """
WITH calls AS (
    SELECT 'ready' AS state, id, job, queue, NULL::text AS error, batch_id, args, trace, ready_at AS at
    FROM forecourt.ready
    UNION ALL
    SELECT 'scheduled', id, job, queue, NULL, batch_id, args, trace, run_at
    FROM forecourt.scheduled
    UNION ALL
    SELECT 'running', id, job, queue, NULL, batch_id, args, trace, coalesce(started_at, claimed_at)
    FROM forecourt.running
    UNION ALL
    SELECT 'failed', id, job, queue, error, batch_id, args, trace, failed_at
    FROM forecourt.failed
)
SELECT id
FROM calls
WHERE state = %(state)s
  AND id > %(after)s
  AND id <= %(upto)s
  AND (%(ids)s::bigint[] IS NULL OR id = ANY (%(ids)s))
  AND (%(job)s::text IS NULL OR job = %(job)s)
  AND (%(queue)s::text IS NULL OR queue = %(queue)s)
  AND (%(error)s::text IS NULL OR left(error, 500) = left(%(error)s, 500))
  AND (%(batch)s::bigint IS NULL OR batch_id = %(batch)s)
  AND (%(trace)s::text IS NULL OR split_part(trace, '-', 2) = %(trace)s)
  AND (%(args)s::jsonb[] IS NULL OR args @> ANY (%(args)s::jsonb[]))
  AND (%(first)s::timestamptz IS NULL OR at >= %(first)s)
  AND (%(last)s::timestamptz IS NULL OR at < %(last)s)
ORDER BY id
LIMIT %(limit)s
"""

COUNT = """
WITH calls AS (
    SELECT 'ready' AS state, id, job, queue, NULL::text AS error, batch_id, args, trace, ready_at AS at
    FROM forecourt.ready
    UNION ALL
    SELECT 'scheduled', id, job, queue, NULL, batch_id, args, trace, run_at
    FROM forecourt.scheduled
    UNION ALL
    SELECT 'running', id, job, queue, NULL, batch_id, args, trace, coalesce(started_at, claimed_at)
    FROM forecourt.running
    UNION ALL
    SELECT 'failed', id, job, queue, error, batch_id, args, trace, failed_at
    FROM forecourt.failed
)
SELECT count(*)
FROM calls
WHERE state = %(state)s
  AND id <= %(upto)s
  AND (%(job)s::text IS NULL OR job = %(job)s)
  AND (%(queue)s::text IS NULL OR queue = %(queue)s)
  AND (%(error)s::text IS NULL OR left(error, 500) = left(%(error)s, 500))
  AND (%(batch)s::bigint IS NULL OR batch_id = %(batch)s)
  AND (%(trace)s::text IS NULL OR split_part(trace, '-', 2) = %(trace)s)
  AND (%(args)s::jsonb[] IS NULL OR args @> ANY (%(args)s::jsonb[]))
  AND (%(first)s::timestamptz IS NULL OR at >= %(first)s)
  AND (%(last)s::timestamptz IS NULL OR at < %(last)s)
"""

LATEST = "SELECT last_value FROM forecourt.call_ids"

Parameters: TypeAlias = dict[str, Any]


def ids(
    tx: Connection[Any],
    search: Search,
    *,
    among: Sequence[int] | None = None,
    after: int = 0,
    upto: int = LARGEST_ID,
    limit: int | None = None,
) -> list[int]:
    """The ids of the calls that fit, in order: all, or the first so many of those `after` one id
    and up to another. `among`: only of these."""
    more = {"ids": None if among is None else list(among), "after": after, "upto": upto, "limit": limit}
    return [row[0] for row in tx.execute(IDS, _parameters(search) | more)]


def count(tx: Connection[Any], search: Search, *, upto: int = LARGEST_ID) -> int:
    """How many calls fit."""
    return int(tx.execute(COUNT, _parameters(search) | {"upto": upto}).fetchall()[0][0])


def latest(tx: Connection[Any]) -> int:
    """An id up to which all calls are that were entered before."""
    return int(tx.execute(LATEST).fetchall()[0][0])


def _parameters(search: Search) -> Parameters:
    return {name: getattr(search, name) for name in Search.__slots__} | {
        "args": None if search.args is None else list(search.args)
    }
