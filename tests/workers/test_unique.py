"""Unique calls: while one lives, or for a time, whoever dispatches and whatever becomes of it."""

import random
import string
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
from forecourt.workers import ending


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
    workshop.only_one.dispatch(key=1)
    with psycopg.connect(database) as tx:
        assert ending.clear(tx, "default") == 1
    assert not workshop.only_one.dispatch(key=1).duplicate


def test_a_call_that_is_unique_for_a_time_can_be_retried_within_it(looking: Looking, database: str) -> None:
    call = workshop.once_an_hour_failing.dispatch(key=1)
    work_until_empty()
    with psycopg.connect(database) as tx:
        assert failed.retry(tx, [call.id]) == 1
    assert looking.rows("SELECT id FROM forecourt.ready") == [(call.id,)]
    assert workshop.once_an_hour_failing.dispatch(key=1) == call._replace(duplicate=True)


def test_an_argument_that_is_left_out_is_its_default(looking: Looking) -> None:
    first = workshop.only_one_with_default.dispatch(a=1)
    assert workshop.only_one_with_default.dispatch(a=1, b=5) == first._replace(duplicate=True)
    assert not workshop.only_one_with_default.dispatch(a=1, b=6).duplicate
    load("workshop:app").declare(looking.connection)
    for args in ('{"a": 1}', '{"a": 1, "b": 5}'):
        assert looking.one("SELECT forecourt.dispatch('only_one_with_default', %s::jsonb)", args) == first.id


def test_keys_may_be_as_long_as_arguments_may(looking: Looking) -> None:
    """Letters that do not compress: an index row holds 2,700 bytes."""
    long = "".join(random.Random(1).choices(string.ascii_letters, k=100_000))
    first = workshop.only_one_text.dispatch(text=long)
    assert workshop.only_one_text.dispatch(text=long) == first._replace(duplicate=True)
    assert not workshop.only_one_text.dispatch(text=long + "x").duplicate
    load("workshop:app").declare(looking.connection)
    assert (
        looking.one("SELECT forecourt.dispatch('only_one_text', jsonb_build_object('text', %s::text))", long)
        == first.id
    )
    work_until_empty()
    assert looking.count("uniques") == 0


def test_many_at_once_say_which_of_them_are_duplicates(looking: Looking) -> None:
    calls = workshop.only_one.dispatch_many([{"key": 1}, {"key": 2}, {"key": 1}])
    assert [call.duplicate for call in calls] == [False, False, True]
    assert calls[2].id == calls[0].id


def test_a_duplicate_in_a_transaction_that_stays_open_keeps_no_call_from_its_end(looking: Looking) -> None:
    first = workshop.only_one.dispatch(key=1)
    with Session(engine()) as session:
        assert workshop.only_one.using(session=session).dispatch(key=1) == first._replace(duplicate=True)
        work_until_empty()
        assert looking.count("done") == 1


def test_a_name_that_is_no_argument_is_an_error_at_decoration() -> None:
    with pytest.raises(ValueError, match="unique= names colour, which it does not take"):
        job(name="unique.wrong", unique=["colour"])(lambda: None)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="unique="):
        job(name="unique.wrong", unique_for=5)(lambda: None)  # type: ignore[call-overload]
