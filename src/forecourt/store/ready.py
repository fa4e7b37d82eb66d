"""Claims ready calls: the statement whose cost must follow the batch, never the backlog."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from psycopg import Connection

from forecourt.store import batches
from forecourt.store.arrays import bigints, texts

# One statement for all queues, in their order: the loops over them are lateral, so the second queue
# is not touched unless the first came short. The row comparison lets the index scan begin after
# entries that are dead but cannot be removed yet, because some other transaction still sees them;
# adding `queue = ...` or `priority >= ...` beside it would move the start back to them.
# `= ANY (ARRAY(...))` makes the deletion go straight to the rows that were locked; a join may walk
# the whole table. What is claimed under a name that is on no list would be found by nobody, so the
# worker's row is held. A beat does not conflict with that, giving the worker up does. Only once
# something was found: a lock is a change, and a look that finds nothing would wait for the disk.
CLAIM = """
WITH pick AS MATERIALIZED (
    SELECT next.ctid
    FROM unnest(%(queues)s::text[], %(priorities)s::smallint[], %(lows)s::bigint[]) AS q(queue, priority, low)
    CROSS JOIN LATERAL (
        SELECT ctid
        FROM forecourt.ready AS r
        WHERE (r.queue, r.priority, r.id) >= (q.queue, q.priority, q.low)
          AND r.queue <= q.queue
          AND NOT EXISTS (
              SELECT FROM forecourt.pauses
              WHERE kind = 'queue'
                AND name = q.queue
                AND (until IS NULL OR until > now())
          )
        ORDER BY r.queue, r.priority, r.id
        LIMIT %(limit)s
        FOR UPDATE SKIP LOCKED
    ) AS next
    LIMIT %(limit)s
), worker AS MATERIALIZED (
    SELECT id
    FROM forecourt.workers
    WHERE id = %(worker)s
      AND EXISTS (SELECT FROM pick)
    FOR KEY SHARE
), gone AS (
    DELETE FROM forecourt.ready
    WHERE ctid = ANY (ARRAY(SELECT ctid FROM pick))
      AND EXISTS (SELECT FROM worker)
    RETURNING *
)
INSERT INTO forecourt.running (
    id, batch_id, created_at, ready_at, priority, attempts, job, queue, args, options, history, unique_key, trace,
    token, worker, slot
)
SELECT id, batch_id, created_at, ready_at, priority, attempts, job, queue, args, options, history, unique_key, trace,
       nextval('forecourt.run_tokens'), %(worker)s, %(slot)s
FROM gone
RETURNING id, token, batch_id, job, queue, priority, attempts,
          CASE WHEN history = '[]' THEN 0 ELSE forecourt.interruptions(history) END AS interruptions,
          CASE WHEN pg_column_size(args) <= %(most)s THEN args::text END AS args,
          CASE WHEN pg_column_size(options) <= %(most)s THEN options::text END AS options,
          date_part('epoch', now() - ready_at) AS waited,
          date_part('epoch', now() - created_at) AS age,
          CASE WHEN history = '[]' THEN 0 ELSE forecourt.count_errors(history) END AS errors,
          CASE WHEN history <> '[]' THEN forecourt.unknown_for(history) END AS unknown_for,
          CASE WHEN history <> '[]' AND history -> -1 ->> 'outcome' = 'WorkerLost' THEN history -> -1 ->> 'message' END AS rescued,
          false AS unwanted
"""

# The same of calls that were claimed before: by a slot that is no more, or by a claim whose answer
# was lost.
HELD_BY = """
SELECT id, token, batch_id, job, queue, priority, attempts,
       CASE WHEN history = '[]' THEN 0 ELSE forecourt.interruptions(history) END AS interruptions,
       CASE WHEN pg_column_size(args) <= %(most)s THEN args::text END AS args,
       CASE WHEN pg_column_size(options) <= %(most)s THEN options::text END AS options,
       date_part('epoch', claimed_at - ready_at) AS waited,
       date_part('epoch', now() - created_at) AS age,
       CASE WHEN history = '[]' THEN 0 ELSE forecourt.count_errors(history) END AS errors,
       CASE WHEN history <> '[]' THEN forecourt.unknown_for(history) END AS unknown_for,
       NULL AS rescued, false AS unwanted
FROM forecourt.running
WHERE worker = %(worker)s
  AND slot = %(slot)s
"""

# A claim that was planned while the table was empty is a sequential scan, and stays one; with these
# off the index plans are the only ones left, and need not be made anew for each round. They hold on
# the slot's own connection, where no job runs.
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
"""Characters of arguments, and of options, that come with a claim; whoever needs longer ones reads
them where they are. So a worker that claims a thousand calls of 30 MB each holds none of them."""

WHOLE = """
SELECT id, args::text, options::text, token
FROM forecourt.running
WHERE id = ANY (%(ids)s)
"""


class Claimed(NamedTuple):
    """A call as a worker holds it; long `args` or `options` are None. `attempts` ended before this
    claim, `errors` of them by an exception; its last `interruptions` came in a row; `waited` is
    seconds between ready and claimed, `age` seconds since it was dispatched."""

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
    rescued: str | None = None
    """How its last attempt ended, if that was with its whole worker: nobody has decided yet what
    follows from it.
    """
    unwanted: bool = False
    """Whether the batch that it belongs to was cancelled."""


@dataclass(frozen=True, slots=True)
class LowWater:
    """Where the next claim of a queue begins to look: only a hint, forgotten every second and
    whenever a claim comes short.
    """

    priority: int = -32768
    id: int = 0


START = LowWater()


def claim(
    tx: Connection[Any],
    *,
    queues: Sequence[str],
    limit: int,
    worker: int,
    slot: int | None,
    low: Mapping[str, LowWater],
) -> list[Claimed]:
    """Move up to `limit` calls from ready to running: of the first queue first, lowest priority
    number and oldest first.

    A paused queue yields none, and a worker that was given up gets none. Calls that another
    transaction is claiming are skipped, not waited for.
    """
    begin = [low.get(queue, START) for queue in queues]
    parameters = {
        "queues": texts(queues),
        "priorities": bigints([mark.priority for mark in begin]),
        "lows": bigints([mark.id for mark in begin]),
        "limit": limit,
        "worker": worker,
        "slot": slot,
        "most": MOST,
    }
    place = {queue: n for n, queue in enumerate(queues)}
    rows = tx.execute(CLAIM, parameters, binary=True).fetchall()
    claimed = sorted(map(_bounded, rows), key=lambda call: (place[call.queue], call.priority, call.id))
    in_batches = {call.batch_id for call in claimed if call.batch_id is not None}
    if not in_batches:
        return claimed
    cancelled = batches.cancelled(tx, list(in_batches))
    return [call._replace(unwanted=True) if call.batch_id in cancelled else call for call in claimed]


def held_by(tx: Connection[Any], worker: int, slot: int) -> list[Claimed]:
    """What a slot has claimed and not ended, as the database knows it. Scans running, which has no
    more rows than the fleet's slots have calls."""
    parameters = {"worker": worker, "slot": slot, "most": MOST}
    return [_bounded(row) for row in tx.execute(HELD_BY, parameters, binary=True)]


def whole(tx: Connection[Any], ids: Sequence[int]) -> dict[int, tuple[str, str, int]]:
    """The arguments and options of claimed calls, as JSON text, however long, and the token of
    their latest claim.
    """
    if not ids:
        return {}
    return {row[0]: (row[1], row[2], row[3]) for row in tx.execute(WHOLE, {"ids": list(ids)})}


def _bounded(row: tuple[Any, ...]) -> Claimed:
    """What was stored in little room may still be long."""
    call = Claimed._make(row)
    args, options = call.args, call.options
    if args is not None and len(args) > MOST:
        call = call._replace(args=None)
    if options is not None and len(options) > MOST:
        call = call._replace(options=None)
    return call
