"""The count after a storm notices what it is there to notice."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from faults import rally
from faults.audit import Findings, audit
from faults.load import Entered
from fleet import Looking
from forecourt.database.engine import make_engine, use_engine
from forecourt.store import workers

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)

DONE = """
INSERT INTO forecourt.done (id, created_at, attempts, uuid, outcome, job, queue, args, history)
VALUES (nextval('forecourt.call_ids'), now(), %s, gen_random_uuid(), 'finished', 'take_effect', 'default',
        jsonb_build_object('call', %s::text), %s::jsonb)
"""

CUT = "INSERT INTO runs (run, call, listed) VALUES (gen_random_uuid(), 'x 0', %s)"


@pytest.fixture
def storm(looking: Looking) -> Looking:
    """One call that is done, had its effect, and one second that was struck."""
    looking.connection.execute(rally.TABLES.encode())
    looking.connection.execute(DONE.encode(), [1, "x 0", "[]"])
    looking.connection.execute("INSERT INTO effects VALUES ('x 0'), ('second 2026-11-23T12:00:01+00:00')")
    looking.connection.execute(
        "INSERT INTO forecourt.ticks (task, due_at, status) VALUES ('mark_second', %s, 'succeeded')",
        [NOON + timedelta(seconds=1)],
    )
    return looking


def counted(storm: Looking, *, machines_lost: bool = False, **jobs: str) -> Findings:
    def ask(query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return storm.connection.execute(query.encode(), parameters).fetchall()

    entered = Entered({"x 0": "take_effect"} | {name.replace("_", " "): job for name, job in jobs.items()})
    return audit(ask, entered, "x", NOON, NOON + timedelta(seconds=2), machines_lost=machines_lost)


def test_a_good_end_is_no_finding(storm: Looking) -> None:
    assert counted(storm) == Findings((), (), ())


def test_a_call_that_is_nowhere_or_had_no_effect_is_lost(storm: Looking) -> None:
    storm.connection.execute("DELETE FROM effects WHERE call = 'x 0'")
    assert counted(storm, x_1="take_effect").lost == ("x 0", "x 1")


def test_two_effects_or_two_ends_are_doubled(storm: Looking) -> None:
    storm.connection.execute("INSERT INTO effects VALUES ('x 0')")
    assert counted(storm).doubled == ("x 0",)
    storm.connection.execute("DELETE FROM effects WHERE ctid IN (SELECT max(ctid) FROM effects WHERE call = 'x 0')")
    storm.connection.execute(DONE.encode(), [1, "x 0", "[]"])
    assert counted(storm).doubled == ("x 0",)


def test_a_second_that_nobody_struck_or_that_was_struck_twice_is_found(storm: Looking) -> None:
    storm.connection.execute("INSERT INTO effects VALUES ('second 2026-11-23T12:00:01+00:00')")
    assert counted(storm).doubled == ("second 2026-11-23 12:00:01+00:00",)
    storm.connection.execute("DELETE FROM forecourt.ticks")
    assert counted(storm).lost == ("second 2026-11-23 12:00:01+00:00",)


def test_a_crash_that_was_not_counted_is_found(storm: Looking) -> None:
    storm.connection.execute(CUT.encode(), [True])
    assert counted(storm).broken == ("x 0: 1 runs were cut short, 0 of them counted",)
    assert counted(storm, machines_lost=True).broken == ()
    storm.connection.execute("DELETE FROM runs")
    storm.connection.execute("UPDATE forecourt.done SET attempts = 2")
    assert counted(storm).broken == ("x 0: 2 attempts with the incidents []",)


def test_a_run_that_began_after_its_worker_had_been_given_up_is_no_attempt(storm: Looking) -> None:
    storm.connection.execute(CUT.encode(), [False])
    assert counted(storm) == Findings((), (), ())
    storm.connection.execute(CUT.encode(), [True])
    assert counted(storm).broken == ("x 0: 1 runs were cut short, 0 of them counted",)


def test_a_run_records_whether_its_worker_had_been_given_up(storm: Looking) -> None:
    worker = workers.register(
        storm.connection, host="", boot="", pid=1, pid_started="", slots=1, queues=[], version="", marks=""
    )
    use_engine(make_engine(application_name=workers.jobs_name(worker, 0)))
    rally.drive.function(call="before")
    workers.remove(storm.connection, [worker])
    rally.drive.function(call="after")
    assert storm.rows("SELECT call, listed, over FROM runs ORDER BY call DESC") == [
        ("before", True, True),
        ("after", False, True),
    ]
