"""Enters new calls: into ready when they are due now, into scheduled when they are not."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from psycopg import Connection
from psycopg.errors import UndefinedTable
from psycopg.pq import TransactionStatus

from forecourt.database.asking import ask
from forecourt.store import json_text

LARGEST_PORTION = 64 * 1024 * 1024
"""Characters of arguments in one statement: PostgreSQL allows an array of 256 MB in JSON, and a
character may take four bytes.
"""

INSERT_READY = """
WITH entered AS (
    INSERT INTO forecourt.ready (batch_id, job, queue, priority, args, options, trace)
    VALUES (%(batch)s, %(job)s, %(queue)s, %(priority)s, %(args)s::jsonb, %(options)s::jsonb, %(trace)s)
    RETURNING id
)
SELECT id, forecourt.wake(%(queue)s)
FROM entered
"""

INSERT_SCHEDULED = """
INSERT INTO forecourt.scheduled (job, queue, priority, args, options, trace, run_at)
VALUES (%(job)s, %(queue)s, %(priority)s, %(args)s::jsonb, %(options)s::jsonb, %(trace)s,
        coalesce(%(run_at)s, now() + make_interval(secs => %(delay)s)))
RETURNING id
"""

ENTER_UNIQUE_READY = """
WITH taken AS MATERIALIZED (
    SELECT key, forecourt.take_unique(key, %(unique_for)s) AS id
    FROM forecourt.unique_key(%(job)s, %(defaults)s::jsonb || %(args)s::jsonb, %(unique)s::jsonb) AS wanted(key)
), entered AS (
    INSERT INTO forecourt.ready (id, job, queue, priority, args, options, trace, unique_key)
    SELECT id, %(job)s, %(queue)s, %(priority)s, %(args)s::jsonb, %(options)s::jsonb, %(trace)s, key
    FROM taken
    WHERE id IS NOT NULL
    RETURNING id
)
SELECT id, forecourt.wake(%(queue)s)
FROM entered
"""

ENTER_UNIQUE_SCHEDULED = """
WITH taken AS MATERIALIZED (
    SELECT key, forecourt.take_unique(key, %(unique_for)s) AS id
    FROM forecourt.unique_key(%(job)s, %(defaults)s::jsonb || %(args)s::jsonb, %(unique)s::jsonb) AS wanted(key)
)
INSERT INTO forecourt.scheduled (id, job, queue, priority, args, options, trace, unique_key, run_at)
SELECT id, %(job)s, %(queue)s, %(priority)s, %(args)s::jsonb, %(options)s::jsonb, %(trace)s, key,
       coalesce(%(run_at)s, now() + make_interval(secs => %(delay)s))
FROM taken
WHERE id IS NOT NULL
RETURNING id
"""

WHO_HAS_IT = """
SELECT call_id
FROM forecourt.uniques
WHERE key = forecourt.unique_key(%(job)s, %(defaults)s::jsonb || %(args)s::jsonb, %(unique)s::jsonb)
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

WAKE = "SELECT forecourt.wake(queue) FROM unnest(%(queues)s::text[]) AS waiting(queue)"


@dataclass(frozen=True, slots=True)
class Placement:
    """Where and when calls of one job enter: everything but their arguments.

    `run_at` is an instant, `delay` seconds from now by the database's clock; neither means now.
    `unique`: the arguments that make a call unique, () for all of them, None if calls are not;
    `defaults`: what an argument is that was left out; `unique_for`: for so many seconds, or while
    the call lives.
    """

    job: str
    queue: str
    priority: int = 0
    delay: float | None = None
    run_at: datetime | None = None
    options: dict[str, Any] | None = None
    trace: str | None = None
    unique: tuple[str, ...] | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
    unique_for: float | None = None

    @property
    def later(self) -> bool:
        """Whether the calls wait in scheduled first."""
        return self.run_at is not None or (self.delay is not None and self.delay > 0)

    def parameters(self) -> dict[str, Any]:
        """The statement's parameters, without the arguments."""
        return {
            "job": self.job,
            "queue": self.queue,
            "priority": self.priority,
            "delay": self.delay,
            "run_at": self.run_at,
            "options": json_text.dumps(self.options) if self.options else "{}",
            "trace": self.trace,
            "batch": (self.options or {}).get("batch"),
            "unique": None if self.unique is None else json_text.dumps(self.unique),
            "defaults": None if self.unique is None else json_text.dumps(self.defaults),
            "unique_for": self.unique_for,
        }


P = ParamSpec("P")
R = TypeVar("R")


def _with_advice(entering: Callable[P, R]) -> Callable[P, R]:
    """What enters a call is mostly an application's own code, whose first error is that it has no
    tables: the traceback says what makes them."""

    @wraps(entering)
    def entered(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return entering(*args, **kwargs)
        except UndefinedTable as error:
            error.add_note("This database has no Forecourt schema yet: run `forecourt db migrate`, or `forecourt up`")
            raise

    return entered


@_with_advice
def enter(tx: Connection[Any], placement: Placement, args: str, *, alone: bool = False) -> tuple[int, bool]:
    """Enter one call with `args`, a JSON object as text. Returns its id and True; for the duplicate
    of a unique call nothing is entered, and the id is that call's, with False. Waits for a
    transaction that is entering the same unique call. `alone`: on a connection of ours without a
    transaction, so that each statement is one."""
    parameters = placement.parameters() | {"args": args}

    def rows(statement: str) -> list[tuple[Any, ...]]:
        return ask(tx, statement, **parameters) if alone else tx.execute(statement, parameters).fetchall()

    if placement.unique is None:
        return int(rows(INSERT_SCHEDULED if placement.later else INSERT_READY)[0][0]), True
    statement = ENTER_UNIQUE_SCHEDULED if placement.later else ENTER_UNIQUE_READY
    while True:
        if entered := rows(statement):
            return int(entered[0][0]), True
        if there := rows(WHO_HAS_IT):
            return int(there[0][0]), False
        # It ended between the two statements: the key is free now.


@_with_advice
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


def as_one(tx: Connection[Any]) -> AbstractContextManager[Any]:
    """A transaction for several statements, where each would be one by itself."""
    alone = tx.autocommit and tx.info.transaction_status != TransactionStatus.INTRANS
    return tx.transaction() if alone else nullcontext()


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


def wake(tx: Connection[Any], queues: Sequence[str]) -> None:
    """Tell idle workers of these queues that calls became ready; they hear of it when the
    transaction commits.
    """
    tx.execute(WAKE, {"queues": list(queues)})
