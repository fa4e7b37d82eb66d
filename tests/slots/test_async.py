"""`async def` jobs: many at once on one event loop, each a call of its own, exactly once with a
session.
"""

import asyncio
import time

import psycopg
import pytest
from psycopg.rows import dict_row
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session, async_sessionmaker, create_async_engine

import rascals
import workshop
from fleet import Looking, wait_until, work_until_empty, worker
from forecourt import Workflow, batch, chain
from forecourt.database import database_url
from forecourt.slots.event_loop import task_of_one_process
from forecourt.testing import drain, fake_queue, run_now


def test_one_slot_runs_as_many_at_once_as_the_job_says(looking: Looking) -> None:
    """A hundred that rest for a second would take a hundred seconds one after the other."""
    workshop.rest_a_while.dispatch_many([{"call": f"call {n}", "seconds": 1} for n in range(100)])
    begun = time.monotonic()
    work_until_empty(processes=1)
    assert time.monotonic() - begun < 20
    assert looking.rows("SELECT count(*), count(DISTINCT result) FROM forecourt.done") == [(100, 100)]
    told = looking.rows("SELECT args ->> 'call', history -> 0 -> 'log' FROM forecourt.done")
    assert all(len(log) == 1 and log[0].endswith(f"resting {call}") for call, log in told), "each has its own lines"


def test_effects_are_committed_with_the_end_of_each_call(looking: Looking) -> None:
    workshop.transact_async.dispatch_many([{"call": f"call {n}", "fail": n % 10 == 3} for n in range(60)])
    workshop.write_row_async.dispatch_many([{"call": f"row {n}"} for n in range(60)])
    with worker(processes=2):
        wait_until(lambda: looking.live() == 0)
    assert looking.rows("SELECT count(*), count(DISTINCT call) FROM traces") == [(114, 114)]
    assert looking.rows("SELECT count(*), min(attempts), max(attempts) FROM forecourt.failed") == [(6, 2, 2)]
    joined = "SELECT bool_and(d.xmin = t.xmin) FROM forecourt.done d JOIN traces t ON t.call = d.args ->> 'call'"
    assert looking.one(joined) is True


def test_a_commit_by_hand_fails_the_call_at_once(looking: Looking) -> None:
    workshop.commit_async.dispatch(call="one")
    work_until_empty()
    [(error, attempts)] = looking.rows("SELECT error, attempts FROM forecourt.failed")
    assert (error.rpartition(".")[2], attempts, looking.traces()) == ("TransactionEnded", 1, 1)


def test_what_a_call_that_fails_has_locked_for_its_session_is_free_again(looking: Looking) -> None:
    workshop.lock_and_fail_async.dispatch(call="one")
    with worker(processes=1):
        wait_until(lambda: looking.count("failed"))
        assert looking.rows("SELECT error FROM forecourt.failed") == [("ValueError",)]
        assert looking.one("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711") == 0


def test_a_flush_that_fails_is_an_error_like_others(looking: Looking) -> None:
    """SQLAlchemy rolls back by itself then: nobody has ended the transaction by hand."""
    workshop.flush_in_vain_async.dispatch(call="in vain")
    with worker(processes=1):
        wait_until(lambda: looking.live() == 0)
    [(error, attempts)] = looking.rows("SELECT error, attempts FROM forecourt.failed")
    assert (error.rpartition(".")[2], attempts) == ("IntegrityError", 2)


def test_a_timeout_kills_and_costs_those_beside_it_no_try(looking: Looking) -> None:
    workshop.hang_async.dispatch_many([{"call": "sleeper"}])
    workshop.transact_async.dispatch(call="other")
    with worker(processes=1):
        wait_until(lambda: looking.live() == 0)
    assert looking.rows("SELECT args ->> 'call', error FROM forecourt.failed") == [("sleeper", "TimedOut")]
    assert looking.rows("SELECT attempts FROM forecourt.done") == [(1,)]


def test_a_coroutine_that_blocks_the_loop_is_named(looking: Looking) -> None:
    call = workshop.block_the_loop.dispatch(seconds=4)
    with worker(processes=1) as process:
        wait_until(lambda: looking.count("done"))
        assert f"a coroutine blocks the event loop: block_the_loop, call {call.id}" in process.said()


def test_a_call_is_dispatched_from_a_coroutine_in_its_own_transaction(looking: Looking) -> None:
    workshop.hand_on.dispatch(call="handed on")
    work_until_empty()
    assert looking.traces("handed on") == 1
    assert looking.count("done") == 2


@pytest.mark.parametrize("kind", ["AsyncSession", "AsyncConnection", "psycopg"])
def test_adispatch_enters_in_the_caller_s_transaction(looking: Looking, database: str, kind: str) -> None:
    async def dispatch(commit: bool) -> None:
        engine = create_async_engine(database_url())
        try:
            match kind:
                case "AsyncSession":
                    local = async_scoped_session(async_sessionmaker(engine), asyncio.current_task)
                    async with local() as session:
                        await workshop.leave_trace.using(session=local).adispatch(call="one")
                        await batch([workshop.leave_trace.call(call="two")]).adispatch(session=session)
                        await (session.commit() if commit else session.rollback())
                case "AsyncConnection":
                    async with engine.connect() as connection:
                        flow = Workflow()
                        flow.add(workshop.leave_trace.call(call="one"))
                        await flow.adispatch(session=connection)
                        await workshop.leave_trace.using(session=connection).adispatch_many([{"call": "two"}])
                        await (connection.commit() if commit else connection.rollback())
                case _:
                    async with await psycopg.AsyncConnection.connect(database, row_factory=dict_row) as driver:
                        await workshop.leave_trace.using(session=driver).adispatch(call="one")
                        await chain(workshop.leave_trace.call(call="two")).adispatch(session=driver)
                        await (driver.commit() if commit else driver.rollback())
        finally:
            await engine.dispose()

    asyncio.run(dispatch(commit=False))
    assert looking.live() == 0
    asyncio.run(dispatch(commit=True))
    assert looking.count("ready") == 2
    with fake_queue(only=[workshop.nothing]):  # which lets them pass
        asyncio.run(dispatch(commit=True))
    assert looking.count("ready") == 4


def test_adispatch_without_a_session_commits_by_itself(looking: Looking) -> None:
    call = asyncio.run(workshop.leave_trace.adispatch(call="one"))
    assert looking.rows("SELECT id FROM forecourt.ready") == [(call.id,)]


def test_a_plain_dispatch_in_an_async_transaction_says_what_to_write_instead(database: str) -> None:
    async def dispatch() -> None:
        async with AsyncSession(create_async_engine(database_url())) as session:
            workshop.leave_trace.using(session=session).dispatch(call="one")

    with pytest.raises(TypeError, match=r"not AsyncSession; from a coroutine, await adispatch\(\.\.\.\)"):
        asyncio.run(dispatch())


def test_a_coroutine_that_forks_runs_none_of_those_beside_it_in_its_child() -> None:
    loop = asyncio.new_event_loop()
    loop.set_task_factory(task_of_one_process)
    assert loop.run_until_complete(rascals.fork_beside_another_coroutine()) == 1
    loop.close()


def test_a_session_on_an_async_driver_is_refused_with_words(database: str) -> None:
    """As `run_sync` hands it out: an ordinary Session, whose connection must be awaited."""

    async def dispatch() -> None:
        engine = create_async_engine(database_url())
        try:
            async with AsyncSession(engine) as session:
                await session.run_sync(lambda tx: workshop.leave_trace.using(session=tx).dispatch(call="one"))
        finally:
            await engine.dispose()

    with pytest.raises(TypeError, match=r"expected psycopg used synchronously: .* run_sync\(\) does not help"):
        asyncio.run(dispatch())


def test_async_jobs_run_in_tests_too(looking: Looking) -> None:
    assert run_now(workshop.rest_a_while, call="here", seconds=0) == "here"
    run_now(workshop.transact_async, call="now")
    workshop.transact_async.dispatch(call="drained")
    assert drain().finished == 1

    async def in_an_async_test() -> int:
        run_now(workshop.transact_async, call="within")
        workshop.transact_async.dispatch(call="within too")
        return drain().finished

    assert asyncio.run(in_an_async_test()) == 1
    assert sorted(looking.rows("SELECT call FROM traces")) == [("drained",), ("now",), ("within",), ("within too",)]
    with fake_queue() as queue:
        asyncio.run(workshop.transact_async.adispatch(call="recorded"))
        queue.assert_dispatched(workshop.transact_async, call="recorded")
        asyncio.run(chain(workshop.transact_async.call(call="chained")).adispatch(session=AsyncSession()))
        queue.assert_dispatched_in_transaction(workshop.transact_async, call="chained")
