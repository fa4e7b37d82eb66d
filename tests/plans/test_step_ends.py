"""The end of a workflow's step touches it and what follows it, however long the workflow is."""

from typing import Any

import psycopg

import workshop
from fleet import Looking
from forecourt import Workflow
from forecourt.store import json_text
from forecourt.store.workflows import ENTERABLE, SUCCEED


def pages(connection: psycopg.Connection[Any], statement: str, parameters: dict[str, Any]) -> int:
    explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT json) {statement}".encode()
    plan = connection.execute(explain, parameters).fetchall()[0][0][0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def test_the_end_of_a_step_touches_what_follows_it_and_not_the_whole_workflow(looking: Looking) -> None:
    flow = Workflow()
    step = flow.add(workshop.echo.call(value=0))
    for _ in range(2000):
        step = flow.add(workshop.echo.call(value=step.result))
    id = flow.dispatch()
    looking.connection.execute("ANALYZE forecourt.steps")
    [(call,)] = looking.rows("SELECT call_id FROM forecourt.steps WHERE step = 1")
    ends = json_text.dumps([{"workflow": id, "step": 1, "call": call, "result": 0}])
    touched = []
    for mode in ("force_custom_plan", "force_generic_plan"):
        with looking.connection.transaction(force_rollback=True):
            looking.connection.execute(f"SET LOCAL plan_cache_mode = {mode}".encode())
            touched.append(pages(looking.connection, SUCCEED, {"ends": ends, "calls": [call]}))
            touched.append(pages(looking.connection, ENTERABLE, {"ids": [id], "steps": [2], "anew": False}))
    assert max(touched) < 60, "the table has more than a hundred pages"
