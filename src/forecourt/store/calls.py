"""Enters new calls: into ready when they are due now, into scheduled when they are not."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from psycopg import Connection
from psycopg.errors import UndefinedTable
from psycopg.pq import TransactionStatus

from forecourt.database.asking import ask
from forecourt.store.placement import Placement

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

WAKE = "SELECT forecourt.wake(queue) FROM unnest(%(queues)s::text[]) AS waiting(queue)"


P = ParamSpec("P")
R = TypeVar("R")


def with_advice(entering: Callable[P, R]) -> Callable[P, R]:
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


@with_advice
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


def as_one(tx: Connection[Any]) -> AbstractContextManager[Any]:
    """A transaction for several statements, where each would be one by itself."""
    alone = tx.autocommit and tx.info.transaction_status != TransactionStatus.INTRANS
    return tx.transaction() if alone else nullcontext()


def wake(tx: Connection[Any], queues: Sequence[str]) -> None:
    """Tell idle workers of these queues that calls became ready; they hear of it when the
    transaction commits.
    """
    tx.execute(WAKE, {"queues": list(queues)})
