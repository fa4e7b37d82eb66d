"""Claims ready calls: the statement whose cost must follow the batch, never the backlog."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, NamedTuple

from psycopg import Connection

from forecourt.store import batches

# The row comparison lets the index scan begin after entries that are dead but cannot be removed yet, because some other
# transaction still sees them. Adding `queue = ...` or `priority >= ...` beside it would move the start back to them.
# `= ANY (ARRAY(...))` makes the deletion go straight to the rows that were locked; a join may walk the whole table.
CLAIM = """
WITH pick AS MATERIALIZED (
    SELECT ctid
    FROM forecourt.ready
    WHERE (queue, priority, id) >= (%(queue)s, %(priority)s::smallint, %(low)s::bigint)
      AND queue <= %(queue)s
      AND NOT EXISTS (
          SELECT FROM forecourt.pauses
          WHERE kind = 'queue'
            AND name = %(queue)s
            AND (until IS NULL OR until > now())
      )
    ORDER BY queue, priority, id
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM forecourt.ready
    WHERE ctid = ANY (ARRAY(SELECT ctid FROM pick))
    RETURNING *
)
INSERT INTO forecourt.running (
    id, batch_id, created_at, ready_at, priority, attempts, uuid, job, queue, args, options, history, unique_key, trace,
    token, worker
)
SELECT id, batch_id, created_at, ready_at, priority, attempts, uuid, job, queue, args, options, history, unique_key, trace,
       nextval('forecourt.run_tokens'), %(worker)s
FROM gone
RETURNING id, token, batch_id, job, queue, priority, attempts,
          CASE WHEN history = '[]' THEN 0 ELSE forecourt.interruptions(history) END AS interruptions,
          CASE WHEN pg_column_size(args) <= %(most)s THEN args::text END AS args,
          CASE WHEN pg_column_size(options) <= %(most)s THEN options::text END AS options,
          date_part('epoch', now() - ready_at) AS waited,
          date_part('epoch', now() - created_at) AS age,
          CASE WHEN history = '[]' THEN 0 ELSE forecourt.count_errors(history) END AS errors,
          CASE WHEN history <> '[]' THEN forecourt.unknown_for(history) END AS unknown_for, false AS unwanted
"""

# A claim that was planned while the table was empty is a sequential scan, and stays one; with these off the index plans are
# the only ones left, and need not be made anew for each round. They hold on the dispatcher's own connection, where nothing else
# runs.
PLANNER = """
SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SET enable_sort = off;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
"""

# The same behind a pooler, which lends a connection for one transaction only.
PLANNER_FOR_TRANSACTION = """
SET LOCAL statement_timeout = 0;
SET LOCAL lock_timeout = 0;
SET LOCAL plan_cache_mode = force_generic_plan;
SET LOCAL enable_seqscan = off;
SET LOCAL enable_bitmapscan = off;
SET LOCAL enable_sort = off;
SET LOCAL enable_hashjoin = off;
SET LOCAL enable_mergejoin = off;
"""


MOST = 16 * 1024
"""Characters of arguments, and of options, that come with a claim; whoever needs longer ones reads them where they are. So a worker
that claims a thousand calls of 30 MB each holds none of them."""

WHOLE = """
SELECT id, args::text, options::text, token
FROM forecourt.running
WHERE id = ANY (%(ids)s)
"""


class Claimed(NamedTuple):
    """A call as a worker holds it; long `args` or `options` are None. `attempts` ended before this claim, `errors` of them by an
    exception; its last `interruptions` came in a row; `waited` is seconds between ready and claimed, `age` seconds since it was
    dispatched."""

    id: int
    token: int
    batch_id: int | None
    job: str
    queue: str
    priority: int
    attempts: int
    interruptions: int
    args: str | None
    options: str | None
    waited: float
    age: float
    errors: int
    unknown_for: float | None = None
    """Seconds since a worker first did not know its job."""
    unwanted: bool = False
    """Whether the batch that it belongs to was cancelled."""


@dataclass(frozen=True, slots=True)
class LowWater:
    """Where the next claim of a queue begins to look: only a hint, forgotten every second and whenever a claim comes short."""

    priority: int = -32768
    id: int = 0


def claim(tx: Connection[Any], *, queue: str, limit: int, worker: int, low: LowWater) -> list[Claimed]:
    """Move up to `limit` calls of one queue from ready to running, lowest priority number and oldest first.

    A paused queue yields none. Calls that another transaction is claiming are skipped, not waited for.
    """
    parameters = {
        "queue": queue,
        "limit": limit,
        "worker": worker,
        "priority": low.priority,
        "low": low.id,
        "most": MOST,
    }
    rows = tx.execute(CLAIM, parameters, binary=True).fetchall()
    claimed = sorted((_bounded(Claimed._make(row)) for row in rows), key=attrgetter("priority", "id"))
    in_batches = {call.batch_id for call in claimed if call.batch_id is not None}
    if not in_batches:
        return claimed
    cancelled = batches.cancelled(tx, list(in_batches))
    return [call._replace(unwanted=True) if call.batch_id in cancelled else call for call in claimed]


def whole(tx: Connection[Any], ids: Sequence[int]) -> dict[int, tuple[str, str, int]]:
    """The arguments and options of claimed calls, as JSON text, however long, and the token of their latest claim."""
    if not ids:
        return {}
    return {row[0]: (row[1], row[2], row[3]) for row in tx.execute(WHOLE, {"ids": list(ids)})}


def _bounded(call: Claimed) -> Claimed:
    """What was stored in little room may still be long."""
    args, options = call.args, call.options
    if args is not None and len(args) > MOST:
        call = call._replace(args=None)
    if options is not None and len(options) > MOST:
        call = call._replace(options=None)
    return call
