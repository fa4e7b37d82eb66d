"""Enters many calls of one job at once, as `calls` enters one."""

from collections.abc import Iterator, Sequence
from typing import Any

from psycopg import Connection

from forecourt.store.calls import as_one, wake, with_advice
from forecourt.store.placement import Placement

LARGEST_PORTION = 64 * 1024 * 1024
"""Characters of arguments in one statement: PostgreSQL allows an array of 256 MB in JSON, and a
character may take four bytes.
"""

# A function yields its rows in order, so the ids that come back are in the order of the arguments.
INSERT_MANY_READY = """
INSERT INTO forecourt.ready (batch_id, job, queue, priority, args, options, trace)
SELECT %(batch)s::bigint, %(job)s, %(queue)s, %(priority)s, args, %(options)s::jsonb, %(trace)s
FROM jsonb_array_elements(%(many)s::jsonb) AS given(args)
RETURNING id
"""

INSERT_MANY_SCHEDULED = """
INSERT INTO forecourt.scheduled (job, queue, priority, args, options, trace, run_at)
SELECT %(job)s, %(queue)s, %(priority)s, args, %(options)s::jsonb, %(trace)s,
       coalesce(%(run_at)s, now() + make_interval(secs => %(delay)s))
FROM jsonb_array_elements(%(many)s::jsonb) AS given(args)
RETURNING id
"""

UNIQUE_KEYS = """
SELECT forecourt.unique_key(%(job)s, %(defaults)s::jsonb || args, %(unique)s::jsonb)
FROM jsonb_array_elements(%(many)s::jsonb) AS given(args)
"""

# One after the other, in the order given.
TAKE_MANY = """
SELECT key, forecourt.take_unique(key, %(unique_for)s)
FROM unnest(%(keys)s::text[]) AS wanted(key)
"""

WHO_HAS_THEM = """
SELECT key, call_id
FROM forecourt.uniques
WHERE key = ANY (%(keys)s::text[])
"""

RENUMBER = """
UPDATE forecourt.uniques AS taken
SET call_id = given.id
FROM unnest(%(keys)s::text[], %(ids)s::bigint[]) AS given(key, id)
WHERE taken.key = given.key
"""

INSERT_MANY_UNIQUE_READY = """
INSERT INTO forecourt.ready (id, job, queue, priority, args, options, trace, unique_key)
SELECT id, %(job)s, %(queue)s, %(priority)s, args, %(options)s::jsonb, %(trace)s, key
FROM ROWS FROM (
    jsonb_array_elements(%(many)s::jsonb), unnest(%(ids)s::bigint[]), unnest(%(keys)s::text[])
) AS given(args, id, key)
"""

INSERT_MANY_UNIQUE_SCHEDULED = """
INSERT INTO forecourt.scheduled (id, job, queue, priority, args, options, trace, unique_key, run_at)
SELECT id, %(job)s, %(queue)s, %(priority)s, args, %(options)s::jsonb, %(trace)s, key,
       coalesce(%(run_at)s, now() + make_interval(secs => %(delay)s))
FROM ROWS FROM (
    jsonb_array_elements(%(many)s::jsonb), unnest(%(ids)s::bigint[]), unnest(%(keys)s::text[])
) AS given(args, id, key)
"""


@with_advice
def enter_many(tx: Connection[Any], placement: Placement, args: Sequence[str]) -> list[tuple[int, bool]]:
    """Enter one call for each JSON object in `args`, all or none, in as few statements as their
    size allows; they run in this order. Returns for each what `enter` returns."""
    with as_one(tx):
        if placement.unique is None:
            entered = [(id, True) for id in _insert(tx, placement, args)]
        else:
            entered = _insert_unique(tx, placement, args)
        if not placement.later and any(is_new for _, is_new in entered):
            wake(tx, [placement.queue])
        return entered


def _insert(tx: Connection[Any], placement: Placement, args: Sequence[str]) -> Iterator[int]:
    statement = INSERT_MANY_SCHEDULED if placement.later else INSERT_MANY_READY
    parameters = placement.parameters()
    for portion in _portions(args):
        for row in tx.execute(statement, parameters | {"many": _array(args[portion])}).fetchall():
            yield row[0]


def _insert_unique(tx: Connection[Any], placement: Placement, args: Sequence[str]) -> list[tuple[int, bool]]:
    parameters = placement.parameters()
    keys: list[str] = []
    for portion in _portions(args):
        keys += [row[0] for row in tx.execute(UNIQUE_KEYS, parameters | {"many": _array(args[portion])}).fetchall()]
    taken, others = _take(tx, keys, placement.unique_for)
    first = {key: n for n, key in reversed(list(enumerate(keys)))}
    new = [n for n, key in enumerate(keys) if key in taken and first[key] == n]
    # Their numbers are in the order of the keys, and calls run in the order of their numbers.
    ids = dict(zip((keys[n] for n in new), sorted(taken.values()), strict=True))
    tx.execute(RENUMBER, {"keys": list(ids), "ids": list(ids.values())})
    statement = INSERT_MANY_UNIQUE_SCHEDULED if placement.later else INSERT_MANY_UNIQUE_READY
    bodies, numbered = [args[n] for n in new], list(ids.items())
    for portion in _portions(bodies):
        many = {
            "many": _array(bodies[portion]),
            "keys": [key for key, _ in numbered[portion]],
            "ids": [id for _, id in numbered[portion]],
        }
        tx.execute(statement, parameters | many)
    return [(ids[key], first[key] == n) if key in ids else (others[key], False) for n, key in enumerate(keys)]


def _take(tx: Connection[Any], keys: Sequence[str], unique_for: float | None) -> tuple[dict[str, int], dict[str, int]]:
    """The numbers of new calls for the keys that nobody has, and the numbers of the calls that have
    the others.

    The keys are taken in the same order in every transaction: of two that want the same ones, one
    waits for the other, and never each for the other.
    """
    taken: dict[str, int] = {}
    others: dict[str, int] = {}
    wanted = sorted(set(keys))
    while wanted:
        rows = tx.execute(TAKE_MANY, {"keys": wanted, "unique_for": unique_for}).fetchall()
        taken |= {key: id for key, id in rows if id is not None}
        others |= dict(tx.execute(WHO_HAS_THEM, {"keys": [key for key, id in rows if id is None]}).fetchall())
        # What is in neither ended between the two statements: its key is free now.
        wanted = [key for key in wanted if key not in taken and key not in others]
    return taken, others


def _portions(args: Sequence[str]) -> Iterator[slice]:
    first = size = 0
    for n, one in enumerate(args):
        size += len(one)
        if size > LARGEST_PORTION and n > first:
            yield slice(first, n)
            first, size = n, len(one)
    if first < len(args):
        yield slice(first, len(args))


def _array(objects: Sequence[str]) -> str:
    return f"[{','.join(objects)}]"
