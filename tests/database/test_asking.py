"""Statements that are asked again and again, past the driver."""

import signal

import psycopg
import pytest

from forecourt.database.asking import ask
from forecourt.settings import settings

ECHO = "SELECT %(text)s::text, %(number)s::bigint + 1, %(text)s::text IS NULL"


@pytest.mark.parametrize("pooled", ["", "true"])
def test_a_statement_asked_past_the_driver_means_and_raises_what_it_does_through_it(
    database: str, pooled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORECOURT_POOLED", pooled)
    settings.cache_clear()
    with psycopg.connect(database, autocommit=True) as connection:
        assert ask(connection, ECHO, text="50 % ü's", number=4) == [("50 % ü's", "5", "f")]
        assert ask(connection, ECHO, number=-1, text=None) == [(None, "0", "t")]
        assert ask(connection, "SELECT 1 WHERE false") == []
        with pytest.raises(psycopg.errors.DivisionByZero):
            ask(connection, "SELECT 1 / %(number)s::int", number=0)
        with connection.transaction(force_rollback=True):
            ask(connection, "CREATE TABLE left_behind ()")
        assert ask(connection, "SELECT to_regclass('left_behind')") == [(None,)]
        names = [row[0] for row in connection.execute("SELECT name FROM pg_prepared_statements")]
        assert bool(names) is not settings().pooled
        connection.execute("DEALLOCATE ALL")  # as the driver does after some rollbacks
        assert ask(connection, ECHO, text="", number=1) == [("", "2", "f")]
        with pytest.raises(psycopg.OperationalError):
            ask(connection, "SELECT pg_terminate_backend(pg_backend_pid())")


def test_ctrl_c_ends_the_waiting_for_a_statement_and_the_statement(database: str) -> None:
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        with psycopg.connect(database, autocommit=True) as connection:
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with pytest.raises(KeyboardInterrupt):
                ask(connection, "SELECT pg_sleep(600)")
            assert ask(connection, "SELECT 1") == [("1",)]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
