"""Concurrency and rate limits, decided before a claimed call begins.

A hold is a claim that counts against a limit; it counts only while its call is in running under the
same token, so a crash frees it with the call and nothing can stay stuck. A claim that was charged
to a rate has one too, with the end of the window: a call that is given back unstarted takes its
charge with it. All limits of a call are checked before any of them is charged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from psycopg import Connection

from forecourt.database.asking import ask
from forecourt.store.arrays import bigints, floats

# One decision at a time for a key; keys in the same order everywhere, so that no two decisions wait
# for each other crosswise.
LOCK = """
SELECT pg_advisory_xact_lock(1718579831, hash)
FROM (SELECT DISTINCT hashtext(key) AS hash FROM unnest(%(keys)s::text[]) AS k(key) ORDER BY hash) AS ordered
"""

RUNNING = """
SELECT h.key, count(*)
FROM forecourt.holds AS h
JOIN forecourt.running AS r ON r.id = h.call_id AND r.token = h.token
WHERE h.key = ANY (%(keys)s)
GROUP BY h.key
"""

USED = """
SELECT key, used, extract(epoch FROM ends_at - clock_timestamp())::float8
FROM forecourt.rates
WHERE key = ANY (%(keys)s)
  AND ends_at > now()
"""

HOLD = """
INSERT INTO forecourt.holds (key, call_id, token, ends_at)
SELECT given.key, given.call_id, given.token, r.ends_at
FROM unnest(%(keys)s::text[], %(calls)s::bigint[], %(tokens)s::bigint[]) AS given(key, call_id, token)
LEFT JOIN forecourt.rates AS r ON r.key = given.key
"""

# A window begins when the key is this transaction's, which may have waited for it. One that would
# last for two more is left from before the clock was set back, or the window made shorter.
CHARGE = """
INSERT INTO forecourt.rates AS r (key, used, ends_at)
SELECT key, used, clock_timestamp() + make_interval(secs => seconds)
FROM unnest(%(keys)s::text[], %(used)s::int[], %(seconds)s::float8[]) AS given(key, used, seconds)
ORDER BY key
ON CONFLICT (key) DO UPDATE
SET used = CASE
        WHEN r.ends_at - now() BETWEEN interval '0' AND 2 * (excluded.ends_at - now()) THEN r.used + excluded.used
        ELSE excluded.used
    END,
    ends_at = CASE
        WHEN r.ends_at - now() BETWEEN interval '0' AND 2 * (excluded.ends_at - now()) THEN r.ends_at
        ELSE excluded.ends_at
    END
"""

HOLD_OFF = """
WITH gone AS (
    DELETE FROM forecourt.running
    WHERE id = ANY (%(ids)s::bigint[])
      AND token = (%(tokens)s::bigint[])[width_bucket(id, %(ids)s::bigint[])]
    RETURNING *, width_bucket(id, %(ids)s::bigint[]) AS n
)
INSERT INTO forecourt.scheduled (
    id, batch_id, created_at, ready_at, priority, attempts, job, queue, args, options, history, unique_key, trace,
    run_at, limit_key
)
SELECT id, batch_id, created_at, ready_at, priority, attempts, job, queue, args, options, history, unique_key, trace,
       now() + make_interval(secs => (%(delays)s::float8[])[n]), (%(keys)s::text[])[n]
FROM gone
"""

# Each hold that ends lets one call with the same key go on at once, the one that was dispatched
# first.
FREE = """
WITH ended AS (
    DELETE FROM forecourt.holds AS h
    USING unnest(%(calls)s::bigint[], %(tokens)s::bigint[]) AS over(call_id, token)
    WHERE h.call_id = over.call_id
      AND h.token = over.token
    RETURNING h.key, h.ends_at
), freed AS (
    SELECT key, count(*) AS places FROM ended WHERE ends_at IS NULL GROUP BY key
), next AS (
    SELECT n.id
    FROM freed AS f,
         LATERAL (
             SELECT id
             FROM forecourt.scheduled
             WHERE limit_key = f.key
             ORDER BY id
             LIMIT f.places
             FOR UPDATE SKIP LOCKED
         ) AS n
), gone AS (
    DELETE FROM forecourt.scheduled
    WHERE id = ANY (ARRAY(SELECT id FROM next))
    RETURNING *
), entered AS (
    INSERT INTO forecourt.ready (
        id, batch_id, created_at, ready_at, priority, attempts, job, queue, args, options, history, unique_key, trace
    )
    SELECT id, batch_id, created_at, ready_at, priority, attempts, job, queue, args, options, history, unique_key, trace
    FROM gone
    RETURNING queue
)
SELECT forecourt.wake(queue)
FROM (SELECT DISTINCT queue FROM entered) AS q
"""

# Among the first of all queues, so that it takes no longer the more calls others have there.
WAITING = """
SELECT limit_key, count(*)
FROM (SELECT limit_key, queue FROM forecourt.scheduled WHERE limit_key IS NOT NULL LIMIT %(most)s + 1) AS held
WHERE queue = %(queue)s
GROUP BY limit_key
ORDER BY count(*) DESC, limit_key
"""

MOST = 10_000
"""Calls among which `waiting` counts."""

FORGET = """
DELETE FROM forecourt.holds AS h
WHERE NOT EXISTS (SELECT FROM forecourt.running AS r WHERE r.id = h.call_id AND r.token = h.token)
"""

FORGET_RATES = "DELETE FROM forecourt.rates WHERE ends_at < now()"


@dataclass(frozen=True, slots=True)
class HeldOff:
    """A call that a limit stops: it waits `delay` seconds at most; with `key`, until a place in
    that limit is free.
    """

    id: int
    token: int
    delay: float
    key: str | None


def lock(tx: Connection[Any], keys: Sequence[str]) -> None:
    """Decide on these keys alone, until the transaction ends."""
    tx.execute(LOCK, {"keys": list(keys)})


def running(tx: Connection[Any], keys: Sequence[str]) -> dict[str, int]:
    """How many calls run under each key."""
    return {row[0]: row[1] for row in tx.execute(RUNNING, {"keys": list(keys)})}


def waiting(tx: Connection[Any], queue: str) -> dict[str, int]:
    """How many calls of a queue wait for a place in each limit, those with most first."""
    return {row[0]: row[1] for row in tx.execute(WAITING, {"queue": queue, "most": MOST})}


def used(tx: Connection[Any], keys: Sequence[str]) -> dict[str, tuple[int, float]]:
    """How many calls began in each key's current window, and in how many seconds it ends."""
    return {row[0]: (row[1], row[2]) for row in tx.execute(USED, {"keys": list(keys)})}


def hold(tx: Connection[Any], holds: Sequence[tuple[str, int, int]]) -> None:
    """Note which claims count against which keys, after the rates among them were charged: (key,
    call id, token).
    """
    keys, calls, tokens = ([list(column) for column in zip(*holds, strict=True)]) if holds else ([], [], [])
    tx.execute(HOLD, {"keys": keys, "calls": calls, "tokens": tokens})


def charge(tx: Connection[Any], charges: dict[str, tuple[int, float]]) -> None:
    """Charge rates: how many calls begin now, and the seconds of a window, should a new one
    begin.
    """
    parameters = {"keys": list(charges), "used": [c[0] for c in charges.values()]}
    tx.execute(CHARGE, parameters | {"seconds": [c[1] for c in charges.values()]})


def hold_off(tx: Connection[Any], calls: Sequence[HeldOff]) -> None:
    """running → scheduled, at no cost for the call."""
    calls = sorted(calls, key=attrgetter("id"))
    tx.execute(
        HOLD_OFF,
        {
            "ids": bigints([call.id for call in calls]),
            "tokens": bigints([call.token for call in calls]),
            "delays": floats([call.delay for call in calls]),
            "keys": [call.key for call in calls],
        },
    )


def free(tx: Connection[Any], claims: Sequence[tuple[int, int]]) -> None:
    """These claims, by (id, token), are over: those that waited for their places may go on."""
    tx.execute(FREE, {"calls": [id for id, _ in claims], "tokens": [token for _, token in claims]})


def forget(tx: Connection[Any]) -> None:
    """Remove holds whose calls are gone, and windows that are over."""
    ask(tx, FORGET)
    ask(tx, FORGET_RATES)
