"""Workflows: a step's call is entered in the transaction in which the last of the steps before it
succeeds.

Each step counts those that it waits for in a row of its own. Rows are locked in the order of their
numbers, so no two transactions wait for each other crosswise; and a workflow's row in shared mode
while steps enter, so that none enters behind a cancellation.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from psycopg import Connection

from forecourt.store import calls, json_text
from forecourt.store.placement import Placement

BEGIN = """
INSERT INTO forecourt.workflows (name, on_failure)
VALUES (%(name)s, %(on_failure)s::jsonb)
RETURNING id
"""

ADD = """
INSERT INTO forecourt.steps (workflow_id, step, plan, followers, awaits)
SELECT %(workflow)s, step, plan, followers, awaits
FROM jsonb_to_recordset(%(steps)s::jsonb) AS given(step integer, plan jsonb, followers integer[], awaits integer)
"""

# By the call too, which is another one when the step was entered anew: the end of the former one
# changes nothing. And by all of them at once, as the planner takes what JSON holds for a hundred
# rows, and then reads every step of every workflow.
SUCCEED = """
WITH over AS (
    UPDATE forecourt.steps AS s
    SET state = 'succeeded', result = e.result, ended_at = now()
    FROM jsonb_to_recordset(%(ends)s::jsonb) AS e(workflow bigint, step integer, call bigint, result jsonb)
    WHERE s.workflow_id = e.workflow
      AND s.step = e.step
      AND s.call_id = e.call
      AND s.call_id = ANY (%(calls)s::bigint[])
      AND s.state <> 'succeeded'
    RETURNING s.workflow_id, s.followers
), due AS (
    SELECT workflow_id, follower AS step, count(*) AS ended
    FROM over
    CROSS JOIN unnest(followers) AS follower
    GROUP BY workflow_id, follower
), locked AS (
    SELECT s.workflow_id, s.step, d.ended
    FROM forecourt.steps AS s
    JOIN due AS d USING (workflow_id, step)
    ORDER BY s.workflow_id, s.step
    FOR UPDATE OF s
)
UPDATE forecourt.steps AS s
SET awaits = s.awaits - l.ended
FROM locked AS l
WHERE s.workflow_id = l.workflow_id
  AND s.step = l.step
RETURNING s.workflow_id, s.step, s.awaits
"""

STOP = """
WITH over AS (
    UPDATE forecourt.steps AS s
    SET state = e.state, ended_at = now()
    FROM jsonb_to_recordset(%(ends)s::jsonb) AS e(workflow bigint, step integer, call bigint, state text)
    WHERE s.workflow_id = e.workflow
      AND s.step = e.step
      AND s.call_id = e.call
      AND s.call_id = ANY (%(calls)s::bigint[])
    RETURNING s.workflow_id, s.state
)
UPDATE forecourt.workflows AS w
SET failed_at = now()
WHERE failed_at IS NULL
  AND id IN (SELECT workflow_id FROM over WHERE state = 'failed')
RETURNING id, on_failure
"""

STANDING = """
SELECT id, cancelled_at IS NOT NULL
FROM forecourt.workflows
WHERE id = ANY (%(ids)s)
ORDER BY id
FOR SHARE
"""

# Of these steps what waits for nothing and has no call; to look among all of them at each end would
# make a long workflow take the square of its length. One whose call failed and is still kept is
# retried, not entered anew.
ENTERABLE = """
SELECT s.workflow_id, s.step, s.plan,
       (SELECT jsonb_object_agg(
                   r.name,
                   (SELECT result FROM forecourt.steps WHERE workflow_id = s.workflow_id AND step = r.step::integer)
               )
        FROM jsonb_each_text(s.plan -> 'results') AS r(name, step))
FROM forecourt.steps AS s
WHERE s.workflow_id = ANY (%(ids)s)
  AND s.step = ANY (%(steps)s)
  AND s.awaits = 0
  AND s.state IN ('blocked', 'failed', 'cancelled')
  AND NOT EXISTS (SELECT FROM forecourt.failed WHERE id = s.call_id)
  AND NOT EXISTS (SELECT FROM forecourt.ready WHERE id = s.call_id)
  AND NOT EXISTS (SELECT FROM forecourt.scheduled WHERE id = s.call_id)
  AND NOT EXISTS (SELECT FROM forecourt.running WHERE id = s.call_id)
  AND (s.state = 'blocked' OR %(anew)s)
ORDER BY s.workflow_id, s.step
FOR UPDATE OF s
"""

ENTERED = """
UPDATE forecourt.steps
SET state = 'entered', call_id = %(call)s, ended_at = NULL
WHERE workflow_id = %(workflow)s
  AND step = %(step)s
"""

CANCEL = """
UPDATE forecourt.workflows
SET cancelled_at = now()
WHERE id = %(id)s
  AND cancelled_at IS NULL
RETURNING id
"""

RESUME = """
UPDATE forecourt.workflows
SET cancelled_at = NULL, failed_at = NULL
WHERE id = %(id)s
RETURNING id
"""

NUMBERS = "SELECT step FROM forecourt.steps WHERE workflow_id = %(id)s"

CALLS = """
SELECT call_id, state
FROM forecourt.steps
WHERE workflow_id = %(id)s
  AND call_id IS NOT NULL
  AND state IN ('entered', 'failed')
ORDER BY step
"""

PRUNE = """
DELETE FROM forecourt.workflows AS w
WHERE created_at < now() - make_interval(days => %(days)s)
  AND NOT EXISTS (
      SELECT
      FROM forecourt.steps AS s
      WHERE s.workflow_id = w.id
        AND (EXISTS (SELECT FROM forecourt.ready WHERE id = s.call_id)
             OR EXISTS (SELECT FROM forecourt.scheduled WHERE id = s.call_id)
             OR EXISTS (SELECT FROM forecourt.running WHERE id = s.call_id)
             OR EXISTS (SELECT FROM forecourt.failed WHERE id = s.call_id))
  )
"""


class StepEnd(NamedTuple):
    """How a step's call ended: `state` is succeeded, failed or cancelled, `result` JSON text or
    None.
    """

    workflow: int
    step: int
    call: int
    state: str
    result: str | None


class Failing(NamedTuple):
    """A workflow of which a step failed for the first time, and the call that is to follow."""

    id: int
    on_failure: dict[str, Any] | None


def begin(tx: Connection[Any], name: str, on_failure: dict[str, Any] | None, steps: Sequence[dict[str, Any]]) -> int:
    """Enter a workflow, and the calls of the steps that wait for none."""
    catch = None if on_failure is None else json_text.dumps(on_failure)
    id = int(tx.execute(BEGIN, {"name": name, "on_failure": catch}).fetchall()[0][0])
    tx.execute(ADD, {"workflow": id, "steps": json_text.dumps(list(steps))})
    _enter(tx, [id], [step["step"] for step in steps if step["awaits"] == 0], anew=False)
    return id


def end(tx: Connection[Any], ends: Sequence[StepEnd]) -> list[Failing]:
    """Calls of steps have ended: enter what waited for them. Returns the workflows of which a step
    failed for the first time.
    """
    succeeded = [
        {"workflow": over.workflow, "step": over.step, "call": over.call, "result": _value(over.result)}
        for over in ends
        if over.state == "succeeded"
    ]
    stopped = [
        {"workflow": over.workflow, "step": over.step, "call": over.call, "state": over.state}
        for over in ends
        if over.state != "succeeded"
    ]
    if succeeded:
        moved = tx.execute(SUCCEED, _ends(succeeded)).fetchall()
        due = [(workflow, step) for workflow, step, awaits in moved if awaits == 0]
        _enter(tx, sorted({workflow for workflow, _ in due}), [step for _, step in due], anew=False)
    if not stopped:
        return []
    return [Failing(*row) for row in tx.execute(STOP, _ends(stopped))]


def cancel(tx: Connection[Any], id: int) -> list[int] | None:
    """No further step begins. Returns the calls that were entered and have not succeeded; None if
    there is nothing to cancel.
    """
    if tx.execute(CANCEL, {"id": id}).fetchone() is None:
        return None
    return [call for call, state in tx.execute(CALLS, {"id": id}) if state == "entered"]


def resume(tx: Connection[Any], id: int) -> list[int] | None:
    """Enter anew what was cancelled or forgotten, and what waits for nothing. Returns the calls
    that failed, which are to be retried; None if there is no such workflow."""
    if tx.execute(RESUME, {"id": id}).fetchone() is None:
        return None
    _enter(tx, [id], [row[0] for row in tx.execute(NUMBERS, {"id": id})], anew=True)
    return [call for call, state in tx.execute(CALLS, {"id": id}) if state == "failed"]


def prune(tx: Connection[Any], days: int) -> int:
    """Forget workflows that are older, unless one of their calls is live or has failed and is
    kept.
    """
    return tx.execute(PRUNE, {"days": days}).rowcount


def _enter(tx: Connection[Any], ids: Sequence[int], steps: Sequence[int], *, anew: bool) -> None:
    """Enter the calls of those of these steps that wait for nothing, unless their workflow is
    cancelled.
    """
    if not ids:
        return
    going_on = [id for id, is_cancelled in tx.execute(STANDING, {"ids": list(ids)}).fetchall() if not is_cancelled]
    enterable = tx.execute(ENTERABLE, {"ids": going_on, "steps": list(steps), "anew": anew}).fetchall()
    for workflow, step, plan, results in enterable:
        options = {"workflow": workflow, "step": step} | ({"exact": True} if plan["exact"] else {})
        placement = Placement(plan["job"], plan["queue"], plan["priority"], options=options)
        call, _ = calls.enter(tx, placement, json_text.dumps(plan["args"] | (results or {})))
        tx.execute(ENTERED, {"workflow": workflow, "step": step, "call": call})


def _ends(ends: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"ends": json_text.dumps(ends), "calls": [over["call"] for over in ends]}


def _value(result: str | None) -> Any:
    return None if result is None else json_text.loads(result)
