"""Unique calls: while one lives, or for a time, whoever dispatches and whatever becomes of it."""

import asyncio
import random
import string
import threading

import psycopg
import pytest
from sqlalchemy.orm import Session

import workshop
from fleet import Looking, claim, wait_until, work_until_empty
from forecourt import job
from forecourt.app import load
from forecourt.database import engine, in_transaction_of
from forecourt.store import ending, failed
from forecourt.store.running import Ended, Failed

AT_THE_GATE = """
CREATE FUNCTION public.wait_at_the_gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(4711);
    RETURN NULL;
END $$;
CREATE TRIGGER wait_at_the_gate BEFORE UPDATE ON forecourt.uniques EXECUTE FUNCTION public.wait_at_the_gate();
"""


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
        wait_until(looking.waiting)
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


def test_of_failed_calls_with_one_key_the_oldest_is_retried_and_the_others_stay(
    looking: Looking, database: str
) -> None:
    calls = []
    for _ in range(2):
        calls.append(workshop.only_one_failing.dispatch(key=1).id)
        [claimed] = claim(looking.connection)
        ending.end(looking.connection, [Failed(claimed.id, claimed.token, 0.0, "ValueError", "", "[]")])
    with psycopg.connect(database) as tx:
        assert failed.retry(tx, calls) == 1
    assert looking.rows("SELECT id FROM forecourt.ready") == [(calls[0],)]
    assert looking.rows("SELECT id FROM forecourt.failed") == [(calls[1],)]


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
    again = call._replace(duplicate=True)
    assert workshop.once_an_hour_failing.dispatch(key=1) == again
    work_until_empty()
    assert workshop.once_an_hour_failing.dispatch(key=1) == again, "its time is not over because it was retried"


def test_sql_enters_a_call_whose_twin_ends_while_it_looks(looking: Looking, database: str) -> None:
    """Between finding the key taken and reading by whom: nothing entered and nobody named would be
    a call that is lost.
    """
    load("workshop:app").declare(looking.connection)
    first = workshop.only_one.dispatch(key=1)
    [claimed] = claim(looking.connection)
    looking.connection.execute(AT_THE_GATE)
    looking.connection.execute("SELECT pg_advisory_lock(4711)")
    entered: list[int | None] = []

    def dispatch() -> None:
        with psycopg.connect(database) as tx:
            entered.extend(tx.execute("SELECT forecourt.dispatch('only_one', '{\"key\": 1}')").fetchall()[0])

    waits = threading.Thread(target=dispatch)
    waits.start()
    wait_until(lambda: looking.one("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))
    ending.end(looking.connection, [Ended(claimed.id, claimed.token, 0.0)])
    looking.connection.execute("SELECT pg_advisory_unlock(4711)")
    waits.join()
    assert looking.rows("SELECT id FROM forecourt.ready") == [tuple(entered)] != [(first.id,)]


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


def test_many_at_once_run_in_the_order_in_which_they_were_given(looking: Looking) -> None:
    later = workshop.only_one.using(delay=60).dispatch_many([{"key": n} for n in (52, 51, 52)])
    calls = workshop.only_one.dispatch_many([{"key": n} for n in (9, 51, 10, 1, 10, 2)])
    assert [call.duplicate for call in calls] == [False, True, False, False, True, False]
    assert calls[1].id == later[1].id
    entered = "SELECT id, (args->>'key')::int FROM forecourt.{} ORDER BY id"
    assert looking.rows(entered.format("ready")) == [(calls[n].id, key) for n, key in ((0, 9), (2, 10), (3, 1), (5, 2))]
    assert looking.rows(entered.format("scheduled")) == [(later[0].id, 52), (later[1].id, 51)]
    work_until_empty()
    assert looking.count("uniques") == 2, "the keys are their calls' own"


def test_many_at_once_in_opposite_orders_wait_for_each_other_and_do_not_deadlock(looking: Looking) -> None:
    """Each takes one key and waits at the second, which somebody holds for a moment; then each
    would want the other's.
    """
    orders = [[1, 2, 3], [3, 2, 1]]
    found: list[list[int]] = []

    def dispatch(order: list[int]) -> None:
        found.append([call.id for call in workshop.only_one.dispatch_many([{"key": key} for key in order])])

    waiting = [threading.Thread(target=dispatch, args=[order]) for order in orders]
    with Session(engine()) as session:
        workshop.only_one.using(session=session).dispatch(key=2)
        for number, thread in enumerate(waiting, 1):
            thread.start()
            wait_until(lambda number=number: looking.waiting() == number)  # type: ignore[misc]
        session.rollback()
    for thread in waiting:
        thread.join()
    assert len(found) == 2, "nobody got an error"
    assert found[0] == found[1][::-1]
    assert looking.live() == 3


def test_many_at_once_are_all_or_none_also_on_a_connection_that_commits_by_itself(
    looking: Looking, database: str
) -> None:
    looking.connection.execute("ALTER TABLE forecourt.ready ADD CHECK (args->>'key' <> '3')")
    with pytest.raises(psycopg.errors.CheckViolation):
        workshop.only_one.using(session=looking.connection).dispatch_many([{"key": key} for key in (1, 2, 3)])
    assert (looking.live(), looking.count("uniques")) == (0, 0)

    async def from_a_coroutine() -> None:
        async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
            await workshop.only_one.using(session=connection).adispatch_many([{"key": key} for key in (1, 2, 3)])

    with pytest.raises(psycopg.errors.CheckViolation):
        asyncio.run(from_a_coroutine())
    assert (looking.live(), looking.count("uniques")) == (0, 0)


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
