"""`forecourt db`: what a migration that cannot be done says."""

import psycopg
import pytest
from click.testing import CliRunner

from fleet import Looking, Process
from forecourt.cli import console, forecourt
from forecourt.cli.errors import explained


def test_through_a_pooler_nothing_is_migrated_and_the_way_out_is_said(looking: Looking) -> None:
    process = Process("db", "migrate", FORECOURT_POOLED="true")
    assert process.wait() == 4
    assert "Give it PostgreSQL's own address" in process.said()


def test_a_lock_that_is_not_to_be_had_is_exit_75_and_changes_nothing(
    looking: Looking, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(database) as holding:
        holding.execute("LOCK TABLE forecourt.ready IN ACCESS EXCLUSIVE MODE")
        monkeypatch.setattr(console, "PATIENCE", "50ms")
        for words in ("doctor", "healthcheck", "queue size", "queue clear high --yes"):
            code, said = explained(CliRunner().invoke(forecourt, words.split()).exception)
            assert (code, "pg_stat_activity" in said) == (75, True), words
        holding.execute("LOCK TABLE forecourt.schema_version IN ACCESS EXCLUSIVE MODE")
        process = Process("db", "migrate")
        assert process.wait() == 75
    said = process.said()
    assert "another transaction holds a lock" in said
    assert "Traceback" not in said
    assert Process("db", "migrate").wait() == 0
    assert explained(psycopg.errors.DeadlockDetected()) == (75, explained(psycopg.errors.SerializationFailure())[1])


def test_where_the_database_is_is_said_without_what_is_secret_in_it(looking: Looking, database: str) -> None:
    process = Process(
        "db", "status", FORECOURT_DATABASE_URL=f"{database}{'&' if '?' in database else '?'}sslpassword=hush"
    )
    assert process.wait() == 0
    assert "sslpassword=***" in process.said()
    assert "hush" not in process.said()
