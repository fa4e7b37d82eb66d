"""Claims ready calls: the statement whose cost must follow the batch, never the backlog."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.pq import TransactionStatus

from forecourt.database.asking import ask
from forecourt.store import batches, json_text
from forecourt.store.arrays import bigints, texts

# One statement for all queues, in their order: the loops over them are lateral, so the second queue
# is not touched unless the first came short. The row comparison lets the index scan begin after
# entries that are dead but cannot be removed yet, because some other transaction still sees them;
# adding `queue = ...` or `priority >= ...` beside it would move the start back to them.
# `= ANY (ARRAY(...))` makes the deletion go straight to the rows that were locked; a join may walk
# the whole table. What is claimed under a name that is on no list would be found by nobody, so the
# worker's row is held. A beat does not conflict with that, giving the worker up does. Only once
# something was found: a lock is a change, and a look that finds nothing would wait for the disk.
# What takes little room may be a megabyte of one letter, so compressed values are measured as they
# come.
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
          CASE
              WHEN pg_column_size(args) <= %(most)s
               AND (pg_column_compression(args) IS NULL OR octet_length(args::text) <= %(most)s)
              THEN args::text ELSE ''
          END AS args,
          CASE
              WHEN pg_column_size(options) <= %(most)s
               AND (pg_column_compression(options) IS NULL OR octet_length(options::text) <= %(most)s)
              THEN options::text ELSE ''
          END AS options,
          date_part('epoch', now() - ready_at) AS waited,
          date_part('epoch', now() - created_at) AS age,
          CASE WHEN history <> '[]' THEN jsonb_build_object(
              'interruptions', forecourt.interruptions(history),
              'errors', forecourt.count_errors(history),
              'unknown_for', forecourt.unknown_for(history),
              'rescued', CASE WHEN history -> -1 ->> 'outcome' = 'WorkerLost' THEN history -> -1 ->> 'message' END
          ) END AS past
"""

# The same of calls that were claimed before: by a slot that is no more, or by a claim whose answer
# was lost.
HELD_BY = """
SELECT id, token, batch_id, job, queue, priority, attempts,
       CASE
           WHEN pg_column_size(args) <= %(most)s
            AND (pg_column_compression(args) IS NULL OR octet_length(args::text) <= %(most)s)
           THEN args::text ELSE ''
       END AS args,
       CASE
           WHEN pg_column_size(options) <= %(most)s
            AND (pg_column_compression(options) IS NULL OR octet_length(options::text) <= %(most)s)
           THEN options::text ELSE ''
       END AS options,
       date_part('epoch', claimed_at - ready_at) AS waited,
       date_part('epoch', now() - created_at) AS age,
       CASE WHEN history <> '[]' THEN jsonb_build_object(
           'interruptions', forecourt.interruptions(history),
           'errors', forecourt.count_errors(history),
           'unknown_for', forecourt.unknown_for(history)
       ) END AS past
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


class Past(NamedTuple):
    """What became of a call before: so many attempts ended by an exception, the last
    `interruptions` came in a row; `unknown_for`: seconds since a worker first did not know its job;
    `rescued`: how its last attempt ended, if that was with its whole worker, so that nobody has
    decided yet what follows from it; `unwanted`: its batch was cancelled."""

    interruptions: int = 0
    errors: int = 0
    unknown_for: float | None = None
    rescued: str | None = None
    unwanted: bool = False


NO_PAST = Past()


class Claimed(NamedTuple):
    """A call as a worker holds it; long `args` or `options` are empty. `attempts` ended before this
    claim; `past` is None where there is nothing to tell; `waited` is seconds between ready and
    claimed, `age` seconds since it was dispatched."""

    id: int
    token: int
    batch_id: int | None
    job: str
    queue: str
    priority: int
    attempts: int
    args: str
    options: str
    waited: float
    age: float
    past: Past | None = None


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
    if tx.autocommit and tx.pgconn.transaction_status == TransactionStatus.IDLE:
        # An idle slot looks, and somebody may wait for it.
        claimed = [_read(row) for row in ask(tx, CLAIM, **parameters)]
    else:
        claimed = [_claimed(row) for row in tx.execute(CLAIM, parameters, binary=True).fetchall()]
    claimed.sort(key=IN_QUEUE)
    if len(queues) > 1:
        place = {queue: n for n, queue in enumerate(queues)}
        claimed.sort(key=lambda call: place[call.queue])
    in_batches = {call.batch_id for call in claimed if call.batch_id is not None}
    if not in_batches:
        return claimed
    cancelled = batches.cancelled(tx, list(in_batches))
    return [_unwanted(call) if call.batch_id in cancelled else call for call in claimed]


def held_by(tx: Connection[Any], worker: int, slot: int) -> list[Claimed]:
    """What a slot has claimed and not ended, as the database knows it. Scans running, which has no
    more rows than the fleet's slots have calls."""
    parameters = {"worker": worker, "slot": slot, "most": MOST}
    return [_claimed(row) for row in tx.execute(HELD_BY, parameters, binary=True)]


def whole(tx: Connection[Any], ids: Sequence[int]) -> dict[int, tuple[str, str, int]]:
    """The arguments and options of claimed calls, as JSON text, however long, and the token of
    their latest claim.
    """
    if not ids:
        return {}
    return {row[0]: (row[1], row[2], row[3]) for row in tx.execute(WHOLE, {"ids": list(ids)})}


def _claimed(row: tuple[Any, ...]) -> Claimed:
    past = row[PAST]
    return Claimed._make(row) if past is None else Claimed._make((*row[:PAST], Past(**past)))


def _read(row: tuple[str | None, ...]) -> Claimed:
    """The call of a row as PostgreSQL writes it."""
    return _claimed(
        tuple(None if value is None else as_read(value) for as_read, value in zip(READERS, row, strict=True))
    )


def _unwanted(call: Claimed) -> Claimed:
    return call._replace(past=(call.past or NO_PAST)._replace(unwanted=True))


PAST = Claimed._fields.index("past")
READERS: tuple[Callable[[str], Any], ...] = (int, int, int, str, str, int, int, str, str, float, float, json_text.loads)
"""Of the fields of Claimed, from their text."""
IN_QUEUE = itemgetter(*map(Claimed._fields.index, ("priority", "id")))
