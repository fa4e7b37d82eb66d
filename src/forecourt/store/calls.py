"""Enters new calls: into ready when they are due now, into scheduled when they are not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from psycopg import Connection

INSERT_READY = """
WITH entered AS (
    INSERT INTO forecourt.ready (job, queue, priority, args, options, trace)
    VALUES (%(job)s, %(queue)s, %(priority)s, %(args)s::jsonb, %(options)s::jsonb, %(trace)s)
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

INSERT_MANY_READY = """
INSERT INTO forecourt.ready (job, queue, priority, args, options, trace)
SELECT %(job)s, %(queue)s, %(priority)s, args::jsonb, %(options)s::jsonb, %(trace)s
FROM unnest(%(args)s::text[]) WITH ORDINALITY AS given(args, position)
ORDER BY position
RETURNING id
"""

INSERT_MANY_SCHEDULED = """
INSERT INTO forecourt.scheduled (job, queue, priority, args, options, trace, run_at)
SELECT %(job)s, %(queue)s, %(priority)s, args::jsonb, %(options)s::jsonb, %(trace)s,
       coalesce(%(run_at)s, now() + make_interval(secs => %(delay)s))
FROM unnest(%(args)s::text[]) WITH ORDINALITY AS given(args, position)
ORDER BY position
RETURNING id
"""

WAKE = "SELECT forecourt.wake(queue) FROM unnest(%(queues)s::text[]) AS waiting(queue)"


@dataclass(frozen=True, slots=True)
class Placement:
    """Where and when calls of one job enter: everything but their arguments.

    `run_at` is an instant, `delay` seconds from now by the database's clock; neither means now.
    """

    job: str
    queue: str
    priority: int = 0
    delay: float | None = None
    run_at: datetime | None = None
    options: dict[str, Any] | None = None
    trace: str | None = None

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
            "options": orjson.dumps(self.options or {}).decode(),
            "trace": self.trace,
        }


def enter(tx: Connection[Any], placement: Placement, args: str) -> int:
    """Enter one call with `args`, a JSON object as text. Returns its id."""
    statement = INSERT_SCHEDULED if placement.later else INSERT_READY
    row = tx.execute(statement, placement.parameters() | {"args": args}).fetchone()
    assert row is not None
    return int(row[0])


def enter_many(tx: Connection[Any], placement: Placement, args: Sequence[str]) -> list[int]:
    """Enter one call for each JSON object in `args`, in one statement. Returns their ids, in the same order."""
    if not args:
        return []
    statement = INSERT_MANY_SCHEDULED if placement.later else INSERT_MANY_READY
    ids = [row[0] for row in tx.execute(statement, placement.parameters() | {"args": list(args)})]
    if not placement.later:
        wake(tx, [placement.queue])
    return ids


def wake(tx: Connection[Any], queues: Sequence[str]) -> None:
    """Tell idle workers of these queues that calls became ready; they hear of it when the transaction commits."""
    tx.execute(WAKE, {"queues": list(queues)})
