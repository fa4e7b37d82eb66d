"""Workflows: a call begins when all that it comes after have ended well, once, with their
results.
"""

import os
import random
import signal
import threading
from contextlib import suppress

import psycopg
import pytest
from sqlalchemy.orm import Session

import workshop
from fleet import Looking, Process, claim, wait_until, work_until_empty, worker
from forecourt import Workflow, chain
from forecourt.database import engine
from forecourt.jobs.arguments import WrongArguments
from forecourt.operations import workflows
from forecourt.testing import fake_queue, run_as_inline

STATES = "SELECT array_agg(state ORDER BY step) FROM forecourt.steps WHERE workflow_id = %s"


def order(looking: Looking) -> list[str]:
    return [row[0] for row in looking.rows("SELECT call FROM traces ORDER BY id")]


def diamond(name: str = "diamond") -> Workflow:
    """One, then two beside each other, then their sum."""
    flow = Workflow(name)
    first = flow.add(workshop.echo.call(value=3))
    left = flow.add(workshop.add_both.call(a=first.result, b=1))
    right = flow.add(workshop.add_both.call(a=first.result, b=2))
    flow.add(workshop.add_both.call(a=left.result, b=right.result))
    return flow


def test_a_step_gets_the_results_of_those_before_it(looking: Looking) -> None:
    id = diamond().dispatch()
    assert looking.live() == 1, "the others wait for it in no queue"
    work_until_empty()
    assert looking.rows("SELECT result FROM forecourt.steps ORDER BY step") == [(3,), (4,), (5,), (9,)]
    shown = Process("queue", "workflow", "show", str(id))
    assert shown.wait() == 0
    assert "add_both  2, 3" in shown.said()


def test_what_comes_after_a_failure_waits_and_the_rest_goes_on_and_catch_is_called_once(looking: Looking) -> None:
    flow = Workflow().catch(workshop.mourn.call(call="caught"))
    bad = flow.add(workshop.leave_by_exit.call(call="bad"))
    flow.add(workshop.leave_trace.call(call="after"), after=[bad])
    flow.add(workshop.leave_trace.call(call="beside"))
    flow.add(workshop.leave_by_exit.call(call="bad too"))
    id = flow.dispatch()
    work_until_empty()
    assert looking.one(STATES, id) == ["failed", "blocked", "succeeded", "failed"]
    assert sorted(order(looking)) == ["bad", "bad too", "beside", "caught SystemExit"]
    looking.connection.execute("UPDATE forecourt.failed SET job = 'leave_trace'")  # as if its code had been mended
    assert Process("queue", "workflow", "retry", str(id)).wait() == 0
    work_until_empty()
    assert looking.one(STATES, id) == ["succeeded"] * 4
    assert order(looking).count("after") == 1


def test_a_call_that_ends_while_its_workflow_is_cancelled_is_no_mistake(looking: Looking, database: str) -> None:
    flow = Workflow()
    flow.add(workshop.nothing.call())
    id = flow.dispatch()
    [claimed] = claim(looking.connection)
    with psycopg.connect(database) as canceller, psycopg.connect(database) as ender:
        ender.execute("INSERT INTO forecourt.cancellations (call_id, who) VALUES (%s, 'omar')", (claimed.id,))
        ender.execute("DELETE FROM forecourt.running")
        ender.execute("DELETE FROM forecourt.cancellations")
        counts: list[int] = []
        waits = threading.Thread(target=lambda: counts.append(workflows.cancel_workflow(canceller, id, who="anna")))
        waits.start()
        wait_until(looking.waiting)
        ender.commit()
        waits.join()
    assert counts == [1], "it lived when it was asked to end"
    assert looking.one("SELECT cancelled_at IS NOT NULL FROM forecourt.workflows")


def test_a_cancelled_workflow_begins_nothing_more_and_can_go_on_later(looking: Looking) -> None:
    flow = Workflow()
    first = flow.add(workshop.leave_trace.call(call="first"))
    flow.add(workshop.leave_trace.call(call="second"), after=[first])
    id = flow.dispatch()
    assert Process("queue", "workflow", "cancel", str(id)).wait() == 0
    assert Process("queue", "workflow", "cancel", str(id)).wait() == 5, "nothing is left to cancel"
    assert looking.rows("SELECT action, count FROM forecourt.audit") == [("workflow cancel", 1)]
    work_until_empty()
    assert looking.one(STATES, id) == ["cancelled", "blocked"]
    assert order(looking) == []
    assert Process("queue", "workflow", "retry", str(id)).wait() == 0
    work_until_empty()
    assert order(looking) == ["first", "second"]


def test_a_discarded_step_is_left_out_and_a_forgotten_one_can_run_again(looking: Looking) -> None:
    flow = Workflow()
    left_out = flow.add(workshop.drop.call(call="left out"))
    gone = flow.add(workshop.leave_by_exit.call(call="gone"), after=[left_out])
    flow.add(workshop.leave_trace.call(call="last"), after=[gone])
    id = flow.dispatch()
    work_until_empty()
    assert Process("queue", "flush", "--yes").wait() == 0
    looking.connection.execute(
        "UPDATE forecourt.steps SET plan = jsonb_set(plan, '{job}', '\"leave_trace\"') WHERE step = 2"
    )
    assert Process("queue", "workflow", "retry", str(id)).wait() == 0
    work_until_empty()
    assert order(looking)[-2:] == ["gone", "last"]


def test_a_result_that_another_step_takes_is_whole_or_the_step_fails(looking: Looking) -> None:
    flow = Workflow()
    long = flow.add(workshop.return_odd_things.call(which="long"))
    flow.add(workshop.swallow.call(text=long.result))
    flow.dispatch()
    work_until_empty()
    [(error, message)] = looking.rows("SELECT error, message FROM forecourt.failed")
    assert error.endswith("ResultUnusable")
    assert "put it into storage" in message


def test_what_cannot_be_is_refused_where_it_is_written(looking: Looking) -> None:
    flow, other = Workflow(), Workflow()
    step = flow.add(workshop.echo.call(value=1))
    with pytest.raises(ValueError, match="another workflow"):
        other.add(workshop.echo.call(value=step.result))
    with pytest.raises(WrongArguments, match="no such argument: valeu"):
        workshop.echo.call(valeu=step.result)
    with pytest.raises(WrongArguments, match="argument 'b' is missing"):
        workshop.add_both.call(a=step.result)
    with pytest.raises(ValueError, match="can only be a step itself"):
        chain(workshop.echo.call(value=step.result)).dispatch()
    with pytest.raises(ValueError, match="at least one step"):
        other.dispatch()
    with Session(engine()) as session:
        flow.dispatch(session=session)
    assert looking.count("workflows") == 0, "rolled back with the caller's transaction"


def test_a_fake_queue_records_a_workflow_and_inline_refuses_it(database: str) -> None:
    with fake_queue() as queue:
        diamond().dispatch()
        queue.assert_workflow(workshop.echo, workshop.add_both, workshop.add_both, workshop.add_both)
        queue.assert_nothing_dispatched()
        for wrong in ([], [workshop.add_both.call(a=3, b=1), workshop.add_both, workshop.add_both]):
            with pytest.raises(AssertionError, match="no workflow of"):
                queue.assert_workflow(workshop.echo, *wrong)
    with run_as_inline(), pytest.raises(RuntimeError, match="use drain"):
        diamond().dispatch()


def test_killed_slots_enter_each_step_once(looking: Looking) -> None:
    chance = random.Random(7)
    for n in range(40):
        flow = Workflow(f"diamond {n}")
        first = flow.add(workshop.transact_and_return.call(call=f"{n} first", value=n))
        middle = [
            flow.add(workshop.transact_and_return.call(call=f"{n} middle {m}", value=first.result)) for m in range(5)
        ]
        flow.add(workshop.transact.call(call=f"{n} last"), after=middle)
        flow.dispatch()
    with worker(processes=4):
        for kills in range(1, 9):
            wait_until(lambda kills=kills: looking.traces() >= 30 * kills)  # type: ignore[misc]
            recent = looking.rows("SELECT pid FROM traces ORDER BY id DESC LIMIT 20")
            with suppress(ProcessLookupError):
                os.kill(chance.choice(recent)[0], signal.SIGKILL)
        wait_until(lambda: looking.live() == 0, timeout=60)
    assert looking.rows("SELECT state, count(*) FROM forecourt.steps GROUP BY state") == [("succeeded", 280)]
    assert looking.rows("SELECT count(*), count(DISTINCT call) FROM traces") == [(280, 280)]
    assert looking.one("SELECT bool_and(result = to_jsonb(workflow_id - 1)) FROM forecourt.steps WHERE step < 7")
