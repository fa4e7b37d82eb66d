"""The claim touches what it takes, however deep the backlog, also when its plan was made while the
table was empty.
"""

from datetime import UTC, datetime
from typing import Any

import orjson
import psycopg
import pytest

from fleet import claim
from forecourt.database.connecting import connect
from forecourt.store import ready, rescue, running, standing
from forecourt.store.arrays import bigints, floats
from forecourt.store.ready import CLAIM, PLANNER, Claimed, LowWater

FILL = """
INSERT INTO forecourt.ready (job, queue, args)
SELECT 'nothing', 'default', jsonb_build_object('n', n)
FROM generate_series(1, %(rows)s) AS n
"""

BATCH = 100


@pytest.fixture
def slot(database: str) -> Any:
    connection = connect(autocommit=True)
    connection.execute(PLANNER.encode())
    connection.prepare_threshold = 0
    claim(connection)  # its worker enters the list
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


def claiming(low: LowWater) -> dict[str, Any]:
    return {
        "queues": ["high", "default", "low"],
        "priorities": [low.priority] * 3,
        "lows": bigints([low.id] * 3),
        "limit": BATCH,
        "worker": 1,
        "slot": 0,
        "most": ready.MOST,
    }


def test_a_claim_from_a_deep_backlog_touches_what_one_from_a_shallow_one_does(
    slot: psycopg.Connection[Any],
) -> None:
    slot.execute(FILL, {"rows": 1_000})
    shallow = buffers(slot, CLAIM, claiming(LowWater()))
    slot.execute(FILL, {"rows": 100_000})
    deep = buffers(slot, CLAIM, claiming(LowWater()))
    assert deep <= shallow * 1.3, (shallow, deep)
    assert deep < BATCH * 30


def test_whether_a_queue_has_calls_is_known_without_counting_them(slot: psycopg.Connection[Any]) -> None:
    """As checks ask, each minute or more often."""
    slot.execute(FILL, {"rows": 20_000})
    slot.execute("ANALYZE forecourt.ready")
    asked = {"queues": ["idle"], "since": "-infinity", "cap": standing.CAP}
    counting, asking = (buffers(slot, standing.STANDING, asked | {"most": most}) for most in (standing.CAP, 0))
    assert asking < 40 < counting, (asking, counting)
    found = standing.of_queues(slot, datetime.now(UTC), ["idle"], most=0)
    assert {queue.queue: queue.ready for queue in found}.items() >= {"default": 1, "idle": 0}.items()


def test_a_claim_that_finds_nothing_writes_nothing(slot: psycopg.Connection[Any]) -> None:
    """So an idle slot's look waits for no disk."""
    with slot.transaction():
        assert not claim(slot, limit=BATCH)
        assert slot.execute("SELECT pg_current_xact_id_if_assigned()").fetchall() == [(None,)]


def test_a_plan_made_while_the_table_was_empty_still_uses_the_index_when_it_is_deep(
    slot: psycopg.Connection[Any],
) -> None:
    for _ in range(7):  # PostgreSQL settles on a generic plan after five executions
        claim(slot, limit=BATCH)
    slot.execute(FILL, {"rows": 100_000})
    before = slot.execute("SELECT pg_stat_get_xact_tuples_returned('forecourt.ready'::regclass)").fetchall()[0][0]
    with slot.transaction():
        got = claim(slot, limit=BATCH)
        read = slot.execute("SELECT pg_stat_get_xact_tuples_returned('forecourt.ready'::regclass)").fetchall()[0][0]
    assert len(got) == BATCH
    assert read - before == 0, "no sequential scan returned a row"


def test_with_the_low_water_mark_dead_entries_cost_nothing(slot: psycopg.Connection[Any], database: str) -> None:
    """Another transaction sees the claimed rows, so that their index entries cannot be removed."""
    slot.execute(FILL, {"rows": 30_000})
    slot.execute("ANALYZE forecourt.ready")
    with psycopg.connect(database) as holder:
        holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        holder.execute("SELECT 1")
        low = LowWater()
        fresh = buffers(slot, CLAIM, claiming(low))
        for _ in range(150):
            got = claim(slot, limit=BATCH, low={"default": low})
            running.finish(slot, [running.Ended(call.id, call.token, 0, "finished", None) for call in got])
            low = LowWater(got[-1].priority, got[-1].id + 1)
        hinted = buffers(slot, CLAIM, claiming(low))
        blind = buffers(slot, CLAIM, claiming(LowWater()))
    assert hinted <= fresh * 1.5, (fresh, hinted)
    assert blind > hinted + 50, "the mark is what saves it"


def test_an_acknowledgement_goes_by_primary_key_and_touches_its_batch(slot: psycopg.Connection[Any]) -> None:
    slot.execute(FILL, {"rows": 20_000})
    for _ in range(7):
        running.finish(slot, [running.Ended(0, 0, 0, "finished", None)])
    got = claim(slot, limit=20_000)
    few = got[:BATCH]
    parameters = finished(few)
    assert buffers(slot, running.FINISH, parameters) < BATCH * 30
    assert "running_pkey" in orjson.dumps(plans(slot, running.FINISH, parameters)).decode()


@pytest.mark.parametrize(
    "statement",
    [running.FINISH, running.RETRY, running.FAIL, running.GIVE_BACK, rescue.RESCUE, running.MARK_STARTED],
    ids=["finish", "retry", "fail", "give back", "rescue", "mark started"],
)
def test_the_end_of_a_call_costs_the_same_when_the_planner_believes_that_running_is_empty(
    slot: psycopg.Connection[Any], statement: str
) -> None:
    """Autovacuum analyzes the table in a quiet moment; then a thousand calls run."""
    slot.execute(FILL, {"rows": 1})
    claim(slot)
    slot.execute("ANALYZE forecourt.running")
    slot.execute(FILL, {"rows": 1_000})
    got = claim(slot, limit=1_000)
    assert handled(slot, statement, finished(got)) < 20 * len(got)


def finished(calls: list[Claimed]) -> dict[str, Any]:
    """Parameters for every statement that ends calls."""
    return {
        "ids": bigints([call.id for call in calls]),
        "tokens": bigints([call.token for call in calls]),
        "seconds": floats([0.0] * len(calls)),
        "details": "{}",
        "delays": floats([0.0] * len(calls)),
        "left": floats([0.0] * len(calls)),
        "counted": [True] * len(calls),
        "incidents": ["[]"] * len(calls),
        "errors": ["E"] * len(calls),
        "messages": ["m"] * len(calls),
    }


def handled(connection: psycopg.Connection[Any], statement: str, parameters: dict[str, Any]) -> float:
    """Rows that all steps of the statement handled, those of a function's own statements
    included.
    """
    return sum(sum_of(plan["Plan"]) for plan in plans(connection, statement, parameters))


def plans(connection: psycopg.Connection[Any], statement: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """The plans of what a statement, or a statement inside a function that it calls, did to
    running.
    """
    told: list[str] = []
    connection.add_notice_handler(lambda notice: told.append(notice.message_primary or ""))
    connection.execute("LOAD 'auto_explain'")
    with connection.transaction(force_rollback=True):
        connection.execute("SET LOCAL auto_explain.log_level = 'notice'")
        connection.execute("SET LOCAL auto_explain.log_format = 'json'")
        connection.execute("SET LOCAL auto_explain.log_analyze = on")
        connection.execute("SET LOCAL auto_explain.log_nested_statements = on")
        connection.execute("SET LOCAL auto_explain.log_min_duration = 0")
        connection.execute(statement.encode(), parameters)
    found = [orjson.loads(text[text.index("{") :]) for text in told if "plan:" in text and '"running"' in text]
    assert found, "the statement reads or changes the table somewhere"
    return found


def sum_of(step: dict[str, Any]) -> float:
    own = step["Actual Rows"] + step.get("Rows Removed by Join Filter", 0)
    return float(own * step["Actual Loops"] + sum(sum_of(part) for part in step.get("Plans", [])))
