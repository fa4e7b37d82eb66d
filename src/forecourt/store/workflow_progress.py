"""How far workflows are."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

LATEST = """
SELECT w.id, w.name, w.created_at, w.failed_at, w.cancelled_at,
       count(*) AS steps, count(*) FILTER (WHERE s.state = 'succeeded') AS succeeded,
       count(*) FILTER (WHERE s.state = 'failed') AS failed, max(s.ended_at) AS ended_at
FROM (SELECT * FROM forecourt.workflows ORDER BY id DESC LIMIT %(limit)s) AS w
JOIN forecourt.steps AS s ON s.workflow_id = w.id
GROUP BY w.id, w.name, w.created_at, w.failed_at, w.cancelled_at
ORDER BY w.id DESC
"""

STEPS = """
SELECT s.step, s.plan ->> 'job' AS job, s.call_id, s.ended_at,
       ARRAY(
           SELECT b.step FROM forecourt.steps AS b WHERE b.workflow_id = %(id)s AND s.step = ANY (b.followers) ORDER BY b.step
       ) AS after,
       CASE
           WHEN s.state NOT IN ('entered', 'failed') THEN s.state
           WHEN EXISTS (SELECT FROM forecourt.running WHERE id = s.call_id) THEN 'running'
           WHEN EXISTS (SELECT FROM forecourt.failed WHERE id = s.call_id) THEN 'failed'
           WHEN s.state = 'entered' THEN 'waiting'
           WHEN EXISTS (SELECT FROM forecourt.ready WHERE id = s.call_id) THEN 'waiting'
           ELSE 'forgotten'
       END AS state
FROM forecourt.steps AS s
WHERE s.workflow_id = %(id)s
ORDER BY s.step
LIMIT %(most)s
"""

OF_CALL = "SELECT workflow_id FROM forecourt.steps WHERE call_id = %(call)s"


class Workflow(NamedTuple):
    """A workflow, as it stands."""

    id: int
    name: str
    created_at: datetime
    failed_at: datetime | None
    cancelled_at: datetime | None
    steps: int
    succeeded: int
    failed: int
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Step:
    """A step: `state` is blocked, waiting, running, succeeded, failed, cancelled, or, when its
    failed call was, forgotten; `after` are the steps before it."""

    step: int
    job: str
    call_id: int | None
    ended_at: datetime | None
    after: list[int]
    state: str


def latest(tx: Connection[Any], limit: int) -> list[Workflow]:
    """The latest workflows, newest first."""
    with tx.cursor(row_factory=class_row(Workflow)) as cursor:
        return cursor.execute(LATEST, {"limit": limit}).fetchall()


def steps(tx: Connection[Any], id: int, *, most: int = 10_000) -> list[Step]:
    """The first steps of a workflow; none if there is no such workflow."""
    with tx.cursor(row_factory=class_row(Step)) as cursor:
        return cursor.execute(STEPS, {"id": id, "most": most}).fetchall()


def of_call(tx: Connection[Any], call: int) -> int | None:
    """The workflow that a call is a step of."""
    row = tx.execute(OF_CALL, {"call": call}).fetchone()
    return None if row is None else int(row[0])
