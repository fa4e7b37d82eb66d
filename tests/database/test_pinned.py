"""What a role or a database sets is for its owners' sessions: the engine's own work the same
everywhere, a job's keep it.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import workshop
from fleet import Looking, wait_until, worker
from forecourt.database.connecting import connect
from rascals import app  # noqa: F401 - registers the jobs that look around

AWKWARD = {
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "statement_timeout": "7s",
    "lock_timeout": "11ms",
    "idle_in_transaction_session_timeout": "6s",
    "idle_session_timeout": "1200ms",
    "TimeZone": "Pacific/Apia",
    "DateStyle": "German, DMY",
    "IntervalStyle": "sql_standard",
}


@pytest.fixture
def awkward(looking: Looking) -> Looking:
    name = looking.one("SELECT quote_ident(current_database())")
    for setting, value in AWKWARD.items():
        looking.connection.execute(f"ALTER DATABASE {name} SET {setting} = '{value}'".encode())
    return looking


def test_the_engine_s_own_sessions_are_as_it_needs_them(awkward: Looking) -> None:
    with connect() as connection:
        assert connection.execute("SHOW transaction_isolation").fetchall() == [("read committed",)]
        for setting in ("statement_timeout", "lock_timeout", "idle_session_timeout"):
            assert connection.execute(f"SHOW {setting}".encode()).fetchall() == [("0",)]
        assert connection.execute("SHOW idle_in_transaction_session_timeout").fetchall() == [("15min",)]
        assert connection.execute("SHOW TimeZone").fetchall() == [("UTC",)]
        assert connection.execute("SELECT timestamptz 'epoch', interval '-1 s'").fetchall() == [
            (datetime.fromtimestamp(0, UTC), timedelta(seconds=-1))
        ]


def test_a_worker_works_without_a_failed_round_and_its_jobs_keep_what_the_database_says(
    awkward: Looking, tmp_path: Path
) -> None:
    import rascals

    workshop.nothing.dispatch_many([{"n": n} for n in range(400)])
    with worker(processes=3) as process:
        wait_until(lambda: awkward.count("done") == 400)
        first = awkward.one("SELECT clock_timestamp()")
        wait_until(lambda: awkward.one("SELECT clock_timestamp() > %s::timestamptz + interval '1.5 s'", first))
        workshop.transact.dispatch(call="after a pause")  # its slot's connection had been idle for too long meanwhile
        wait_until(lambda: awkward.count("done") == 401)
        assert "failed" not in process.said()
    assert awkward.one("SELECT max(attempts) FROM forecourt.done") == 1
    with worker(processes=1, app="rascals:app"):
        call = rascals.look_around.dispatch()
        wait_until(lambda: awkward.one("SELECT result FROM forecourt.done WHERE id = %s", call.id))
    seen = awkward.one("SELECT result FROM forecourt.done WHERE id = %s", call.id)
    assert (seen["statement_timeout"], seen["timezone"]) == ("7s", "Pacific/Apia")
