"""The claim touches what it takes, however deep the backlog, also when its plan was made while the table was empty."""

from typing import Any

import orjson
import psycopg
import pytest

from forecourt.database.engine import connect
from forecourt.store import ready, running
from forecourt.store.arrays import bigints, floats
from forecourt.store.ready import CLAIM, PLANNER, Claimed, LowWater

FILL = """
INSERT INTO forecourt.ready (job, queue, args)
SELECT 'nothing', 'default', jsonb_build_object('n', n)
FROM generate_series(1, %(rows)s) AS n
"""

BATCH = 100


@pytest.fixture
def dispatcher(database: str) -> Any:
    connection = connect(autocommit=True)
    connection.execute(PLANNER.encode())
    connection.prepare_threshold = 0
    yield connection
    connection.close()


def buffers(connection: psycopg.Connection[Any], statement: str, parameters: dict[str, Any]) -> int:
    """Pages that the statement touches, as EXPLAIN ANALYZE counts them."""
    with connection.transaction(force_rollback=True):
        plan = connection.execute(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT json) {statement}".encode(),
            parameters,  # the statement is the store's own
        ).fetchall()[0][0][0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def claim(connection: psycopg.Connection[Any], low: LowWater) -> dict[str, Any]:
    return {
        "queue": "default",
        "priority": low.priority,
        "low": low.id,
        "limit": BATCH,
        "worker": 1,
        "most": ready.MOST,
    }


def test_a_claim_from_a_deep_backlog_touches_what_one_from_a_shallow_one_does(
    dispatcher: psycopg.Connection[Any],
) -> None:
    dispatcher.execute(FILL, {"rows": 1_000})
    shallow = buffers(dispatcher, CLAIM, claim(dispatcher, LowWater()))
    dispatcher.execute(FILL, {"rows": 100_000})
    deep = buffers(dispatcher, CLAIM, claim(dispatcher, LowWater()))
    assert deep <= shallow * 1.3, (shallow, deep)
    assert deep < BATCH * 30


def test_a_plan_made_while_the_table_was_empty_still_uses_the_index_when_it_is_deep(
    dispatcher: psycopg.Connection[Any],
) -> None:
    for _ in range(7):  # PostgreSQL settles on a generic plan after five executions
        ready.claim(dispatcher, queue="default", limit=BATCH, worker=1, low=LowWater())
    dispatcher.execute(FILL, {"rows": 100_000})
    before = dispatcher.execute("SELECT pg_stat_get_xact_tuples_returned('forecourt.ready'::regclass)").fetchall()[0][0]
    with dispatcher.transaction():
        got = ready.claim(dispatcher, queue="default", limit=BATCH, worker=1, low=LowWater())
        read = dispatcher.execute("SELECT pg_stat_get_xact_tuples_returned('forecourt.ready'::regclass)").fetchall()[0][
            0
        ]
    assert len(got) == BATCH
    assert read - before == 0, "no sequential scan returned a row"


def test_with_the_low_water_mark_dead_entries_cost_nothing(dispatcher: psycopg.Connection[Any], database: str) -> None:
    """Another transaction sees the claimed rows, so that their index entries cannot be removed."""
    dispatcher.execute(FILL, {"rows": 30_000})
    dispatcher.execute("ANALYZE forecourt.ready")
    with psycopg.connect(database) as holder:
        holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        holder.execute("SELECT 1")
        low = LowWater()
        fresh = buffers(dispatcher, CLAIM, claim(dispatcher, low))
        for _ in range(150):
            got = ready.claim(dispatcher, queue="default", limit=BATCH, worker=1, low=low)
            running.finish(dispatcher, [running.Ended(call.id, call.token, 0, "finished", None) for call in got])
            low = LowWater(got[-1].priority, got[-1].id + 1)
        hinted = buffers(dispatcher, CLAIM, claim(dispatcher, low))
        blind = buffers(dispatcher, CLAIM, claim(dispatcher, LowWater()))
    assert hinted <= fresh * 1.5, (fresh, hinted)
    assert blind > hinted + 50, "the mark is what saves it"


def test_an_acknowledgement_goes_by_primary_key_and_touches_its_batch(dispatcher: psycopg.Connection[Any]) -> None:
    dispatcher.execute(FILL, {"rows": 20_000})
    for _ in range(7):
        running.finish(dispatcher, [running.Ended(0, 0, 0, "finished", None)])
    got = ready.claim(dispatcher, queue="default", limit=20_000, worker=1, low=LowWater())
    few = got[:BATCH]
    parameters = finished(few)
    assert buffers(dispatcher, running.FINISH, parameters) < BATCH * 30
    with dispatcher.transaction(force_rollback=True):
        plan = dispatcher.execute(f"EXPLAIN (FORMAT json) {running.FINISH}".encode(), parameters).fetchall()[0][0]
    assert "running_pkey" in orjson.dumps(plan).decode()


@pytest.mark.parametrize("statement", ["FINISH", "RETRY", "FAIL", "GIVE_BACK", "MARK_STARTED"])
def test_the_end_of_a_call_costs_the_same_when_the_planner_believes_that_running_is_empty(
    dispatcher: psycopg.Connection[Any], statement: str
) -> None:
    """Autovacuum analyzes the table in a quiet moment; then a thousand calls run."""
    dispatcher.execute(FILL, {"rows": 1})
    ready.claim(dispatcher, queue="default", limit=1, worker=1, low=LowWater())
    dispatcher.execute("ANALYZE forecourt.running")
    dispatcher.execute(FILL, {"rows": 1_000})
    got = ready.claim(dispatcher, queue="default", limit=1_000, worker=1, low=LowWater())
    assert handled(dispatcher, getattr(running, statement), finished(got)) < 20 * len(got)


def finished(calls: list[Claimed]) -> dict[str, Any]:
    """Parameters for every statement that ends calls."""
    return {
        "ids": bigints([call.id for call in calls]),
        "tokens": bigints([call.token for call in calls]),
        "seconds": floats([0.0] * len(calls)),
        "told": "{}",
        "within": "",
        "delays": floats([0.0] * len(calls)),
        "left": floats([0.0] * len(calls)),
        "counted": [True] * len(calls),
        "incidents": ["[]"] * len(calls),
        "errors": ["E"] * len(calls),
        "messages": ["m"] * len(calls),
    }


def handled(connection: psycopg.Connection[Any], statement: str, parameters: dict[str, Any]) -> float:
    """Rows that all steps of the statement handled, as EXPLAIN ANALYZE counts them."""
    with connection.transaction(force_rollback=True):
        plan = connection.execute(f"EXPLAIN (ANALYZE, FORMAT json) {statement}".encode(), parameters).fetchall()[0][0]
    return sum_of(plan[0]["Plan"])


def sum_of(step: dict[str, Any]) -> float:
    own = step["Actual Rows"] + step.get("Rows Removed by Join Filter", 0)
    return float(own * step["Actual Loops"] + sum(sum_of(part) for part in step.get("Plans", [])))
