"""Unique calls: while one lives, or for a time, whoever dispatches and whatever becomes of it."""

import threading

import psycopg
import pytest
from sqlalchemy.orm import Session

import workshop
from fleet import Looking, work_until_empty
from forecourt import job
from forecourt.app import load
from forecourt.database import engine, in_transaction_of
from forecourt.store import failed


def test_a_duplicate_enters_nothing_and_returns_the_live_call(looking: Looking) -> None:
    first = workshop.only_one.dispatch(key=1, note="first")
    second = workshop.only_one.dispatch(key=1, note="second")
    other = workshop.only_one.using(delay=60).dispatch(key=2)
    later = workshop.only_one.dispatch(key=2)
    assert (second.id, second.duplicate, first.duplicate) == (first.id, True, False)
    assert (later.id, later.duplicate) == (other.id, True)
    assert looking.live() == 2


def test_the_key_is_free_when_the_call_has_ended(looking: Looking) -> None:
    first = workshop.only_one.dispatch(key=1)
    work_until_empty()
    assert workshop.only_one.dispatch(key=1).id != first.id
    work_until_empty()
    assert looking.traces("unique 1%") == 2
    assert looking.count("uniques") == 0


def test_for_a_time_means_also_after_the_call_has_ended(looking: Looking) -> None:
    workshop.once_an_hour.dispatch(key=1)
    work_until_empty()
    assert workshop.once_an_hour.dispatch(key=1).duplicate
    looking.connection.execute("UPDATE forecourt.uniques SET until = now() - interval '1 second'")
    assert not workshop.once_an_hour.dispatch(key=1).duplicate


def test_a_rollback_frees_the_key(looking: Looking) -> None:
    with Session(engine()) as session:
        workshop.only_one.using(session=session).dispatch(key=1)
        session.rollback()
    assert not workshop.only_one.dispatch(key=1).duplicate


def test_two_transactions_that_dispatch_the_same_call_enter_one(looking: Looking) -> None:
    calls = []
    with Session(engine()) as session:
        calls.append(workshop.only_one.using(session=session).dispatch(key=1))
        waits = threading.Thread(target=lambda: calls.append(workshop.only_one.dispatch(key=1)))
        waits.start()
        while not looking.one("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            pass
        session.commit()
        waits.join()
    assert calls[0].id == calls[1].id
    assert looking.live() == 1


def test_many_at_once_enter_each_key_once(looking: Looking) -> None:
    calls = workshop.only_one.dispatch_many([{"key": n % 3} for n in range(9)])
    assert len({call.id for call in calls}) == 3
    assert looking.live() == 3


def test_sql_knows_uniqueness_too(looking: Looking) -> None:
    with engine().begin() as connection:
        load("workshop:app").declare(in_transaction_of(connection))
    python = workshop.only_one.dispatch(key=7)
    assert looking.one("""SELECT forecourt.dispatch('only_one', '{"key": 7, "note": "from SQL"}')""") == python.id
    assert looking.live() == 1


def test_a_failed_call_frees_its_key_and_is_retried_only_if_nobody_has_it(looking: Looking, database: str) -> None:
    first = workshop.only_one_failing.dispatch(key=1)
    work_until_empty()
    second = workshop.only_one_failing.dispatch(key=1)
    assert not second.duplicate
    with psycopg.connect(database) as tx:
        assert failed.retry(tx, [first.id]) == 0
    assert looking.count("failed") == 1
    looking.connection.execute("DELETE FROM forecourt.ready")
    looking.connection.execute("DELETE FROM forecourt.uniques")
    with psycopg.connect(database) as tx:
        assert failed.retry(tx, [first.id]) == 1
    assert workshop.only_one_failing.dispatch(key=1).id == first.id


def test_clearing_a_queue_frees_its_keys(looking: Looking, database: str) -> None:
    from forecourt.store import waiting

    workshop.only_one.dispatch(key=1)
    with psycopg.connect(database) as tx:
        assert waiting.clear(tx, "default") == 1
    assert not workshop.only_one.dispatch(key=1).duplicate


def test_a_name_that_is_no_argument_is_an_error_at_decoration() -> None:
    with pytest.raises(ValueError, match="unique= names colour, which it does not take"):
        job(name="unique.wrong", unique=["colour"])(lambda: None)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="unique="):
        job(name="unique.wrong", unique_for=5)(lambda: None)  # type: ignore[call-overload]
