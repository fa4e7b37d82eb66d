"""The connection that a slot's sessions have one after the other."""

import logging
from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, ResourceClosedError

from forecourt import Session, job
from forecourt.database import in_transaction_of
from forecourt.database.engine import engine, make_engine, use_engine
from forecourt.database.kept_connection import KeptConnection
from forecourt.jobs.transaction import Transaction, transaction

PID = text("SELECT pg_backend_pid()")


@job(name="kept.write")
def write(session: Session) -> None:
    """Only what it takes matters."""


@pytest.fixture
def kept(database: str) -> Iterator[KeptConnection]:
    use_engine(make_engine(pool_size=1, spotless=True))
    kept = KeptConnection()
    yield kept
    with kept.lent() as connection:
        connection.invalidate()  # a slot's ends with its process


def ran(kept: KeptConnection, *, well: bool = True) -> tuple[Session, int]:
    """The session of a call that has ended, and the backend that it had."""
    with transaction(write, kept) as opened:
        assert isinstance(opened, Transaction)
        assert isinstance(opened.given, Session)
        pid = opened.given.execute(PID).scalar_one()
        opened.given.execute(text("SET work_mem = '65kB'"))
        opened.given.connection().execution_options(logging_token="mine")
        if well:
            opened.commit()
        return opened.given, pid


def test_calls_share_it_whether_they_ended_well_and_find_nothing_of_each_other(kept: KeptConnection) -> None:
    _, pid = ran(kept)
    for well in (True, False, True):
        with transaction(write, kept) as opened:
            assert opened is not None
            assert isinstance(opened.given, Session)
            assert opened.given.execute(text("SHOW work_mem")).scalar_one() != "65kB"
            assert opened.given.connection().get_execution_options() == {}
            opened.commit()
        assert ran(kept, well=well)[1] == pid


def test_what_outlives_a_call_cannot_reach_the_next_one_s_transaction(kept: KeptConnection) -> None:
    with transaction(write, kept) as opened:
        assert opened is not None
        assert isinstance(opened.given, Session)
        session, connection = opened.given, opened.given.connection()
        opened.commit()
    with transaction(write, kept) as opened:
        assert opened is not None
        with pytest.raises(ResourceClosedError):
            connection.execute(PID)
        assert session.execute(PID).scalar_one() != opened.tx.info.backend_pid
        session.rollback()
        assert opened.is_whole()


def use_a_broken_one(kept: KeptConnection) -> None:
    with transaction(write, kept) as opened:
        assert opened is not None
        assert isinstance(opened.given, Session)
        with engine().connect() as other:
            in_transaction_of(other).execute("SELECT pg_terminate_backend(%s)", [opened.tx.info.backend_pid])
        opened.given.execute(PID)


def test_one_that_breaks_is_replaced_and_nothing_is_logged(
    kept: KeptConnection, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(DBAPIError):
        use_a_broken_one(kept)
    first, second = ran(kept), ran(kept)
    assert first[1] == second[1]
    with transaction(write, kept) as opened:
        assert opened is not None
        assert isinstance(opened.given, Session)
        opened.given.invalidate()  # as some code does with a connection of which it is not sure
    assert ran(kept)[1] != first[1]
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
