"""Jobs that write SQL on a psycopg connection: exactly once, as with a session."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import workshop
from fleet import TESTS, Looking, wait_until, work_until_empty, worker
from forecourt import Discard, Session, job
from forecourt.database import forget_engine, job_connection
from forecourt.jobs.async_transaction import AsyncTransactions
from forecourt.jobs.transaction import transaction
from forecourt.settings import settings
from forecourt.testing import run_now

HELD = "SELECT count(*) FROM forecourt.running WHERE job = 'write_row' AND started_at IS NOT NULL"


@pytest.fixture(autouse=True)
def a_connection_of_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This thread's would be one to the database of the test before."""
    of_test = threading.local()
    monkeypatch.setattr(job_connection, "_of_thread", of_test)
    yield
    if hasattr(of_test, "connection"):
        of_test.connection.close()


def test_effects_are_committed_with_the_end_of_the_call(looking: Looking) -> None:
    workshop.write_row.dispatch(call="one")
    work_until_empty()
    assert looking.rows("SELECT outcome, result FROM forecourt.done") == [("finished", 3)]
    assert looking.one("SELECT d.xmin = t.xmin FROM forecourt.done d, traces t") is True


def test_what_a_failed_attempt_wrote_is_rolled_back(looking: Looking) -> None:
    workshop.write_row_and_fail.dispatch(call="one")
    with worker():
        wait_until(lambda: looking.count("failed"))
    assert looking.rows("SELECT error, attempts FROM forecourt.failed") == [("ValueError", 2)]
    assert looking.traces() == 0


def test_a_commit_by_hand_fails_the_call_at_once(looking: Looking) -> None:
    workshop.write_row_and_commit.dispatch(call="one")
    work_until_empty()
    [(error, attempts)] = looking.rows("SELECT error, attempts FROM forecourt.failed")
    assert error.endswith("TransactionEnded")
    assert (attempts, looking.traces()) == (1, 1)


def test_a_killed_slot_leaves_its_effect_exactly_once(looking: Looking) -> None:
    workshop.write_row.dispatch(call="one", seconds=2)
    with worker(processes=1) as process:
        wait_until(lambda: looking.one(HELD))
        looking.connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'forecourt jobs of %'"
        )
        wait_until(lambda: looking.count("done"), what=process.said())
    assert looking.traces("one") == 1
    assert looking.rows("SELECT attempts, history -> 0 ->> 'outcome' FROM forecourt.done") == [(1, "Interrupted")]


def test_one_call_leaves_nothing_on_the_connection_of_the_next(looking: Looking) -> None:
    seen: list[object] = []

    @job(name="connections.leave")
    def leave(n: int, *, connection: psycopg.Connection[object]) -> None:
        seen.append(connection.execute("SHOW work_mem").fetchone())
        connection.row_factory = dict_row  # type: ignore[assignment]
        assert connection.info.transaction_status == TransactionStatus.INTRANS
        connection.execute("SET work_mem = '65kB'")
        if n == 1:
            raise Discard("and nobody cleans up")

    run_now(leave, n=0)
    with pytest.raises(Discard):
        run_now(leave, n=1)
    run_now(leave, n=2)
    assert seen[0] == seen[1] == seen[2] != ("65kB",)


def test_what_a_call_leaves_running_writes_into_no_other_s_transaction(looking: Looking) -> None:
    """A thread, or a task of `asyncio.gather` beside one that raised: its connection is another
    call's by now.
    """
    insert = "INSERT INTO traces (call, pid) VALUES ('left', 0)"
    with transaction(workshop.write_row) as opened:
        assert opened is not None
        assert isinstance(opened.given, psycopg.Connection)
        left = opened.given, opened.given.cursor()
        opened.commit()
    with transaction(workshop.write_row) as opened:
        assert opened is not None
        for one in left:
            with pytest.raises(psycopg.Error, match=r"connection is (over|closed)"):
                one.execute(insert)
        left[0].close()
        opened.commit()

    async def twice() -> None:
        transactions = AsyncTransactions(1, "connections")
        before: list[psycopg.AsyncConnection[Any]] = []
        for _ in range(2):
            async with transactions.begin(workshop.write_row_async) as opened:
                assert opened is not None
                assert isinstance(opened.given, psycopg.AsyncConnection)
                for one in before:
                    with pytest.raises(psycopg.Error, match=r"connection is (over|closed)"):
                        await one.execute(insert)
                before.append(opened.given)
                await opened.commit()
        await transactions.close()

    asyncio.run(twice())
    assert looking.traces() == 0


def test_what_still_uses_its_connection_when_the_call_is_over_fails_it(looking: Looking) -> None:
    """Rows that were not read to their end; a statement of a task that was not awaited."""
    with transaction(workshop.write_row) as opened:
        assert opened is not None
        assert isinstance(opened.given, psycopg.Connection)
        rows = opened.given.cursor().stream("SELECT generate_series(1, 3)")
        next(rows)
        with pytest.raises(RuntimeError, match="still uses its session or connection"):
            opened.flush()
        assert not opened.was_ended()
    with transaction(workshop.write_row) as opened:
        assert opened is not None
        opened.flush()
        opened.commit()

    async def leave(session: AsyncSession) -> None:
        await session.execute(text("SELECT pg_sleep(0.2)"))
        await session.execute(workshop.LEAVE, {"call": "left", "pid": 0})

    async def twice() -> None:
        transactions = AsyncTransactions(1, "connections")
        async with transactions.begin(workshop.transact_async) as opened:
            assert opened is not None
            assert isinstance(opened.given, AsyncSession)
            left = asyncio.create_task(leave(opened.given))
            while not opened.tx.lock.locked():
                await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="still uses its session or connection"):
                await opened.flush()
            process = opened.tx.info.backend_pid
        async with transactions.begin(workshop.transact_async) as opened:
            assert opened is not None
            await asyncio.gather(left, return_exceptions=True)
            assert opened.tx.info.backend_pid != process
            await opened.commit()
        await transactions.close()

    asyncio.run(twice())
    assert looking.traces() == 0


class Base(DeclarativeBase): ...


class Trace(Base):
    __tablename__ = "traces"
    id: Mapped[int] = mapped_column(primary_key=True)
    call: Mapped[str]
    pid: Mapped[int] = mapped_column(default=0)


def test_what_listeners_of_a_session_write_belongs_to_its_one_commit(looking: Looking) -> None:
    """An audit trail is written `before_commit`: after ours it would be a transaction of its own,
    and in an AsyncSession none at all.
    """
    told: list[str] = []

    def listen(session: Session, call: str) -> None:
        event.listen(session, "before_commit", lambda session: session.add(Trace(call=f"audit of {call}")))
        event.listen(session, "after_commit", lambda _: told.append(call))
        session.add(Trace(call=call))

    @job(name="connections.audit")
    def audit(*, session: Session) -> None:
        listen(session, "one")

    @job(name="connections.audit_async")
    async def audit_async(*, session: AsyncSession) -> None:
        listen(session.sync_session, "two")

    run_now(audit)
    run_now(audit_async)
    assert looking.rows("SELECT array_agg(call ORDER BY id) FROM traces GROUP BY xmin::text ORDER BY min(id)") == [
        (["one", "audit of one"],),
        (["two", "audit of two"],),
    ]
    assert told == ["one", "two"]


def test_a_slot_that_dies_in_the_middle_runs_the_call_again(looking: Looking) -> None:
    workshop.write_row.dispatch(call="one", seconds=1.5)
    with worker(processes=1) as process:
        wait_until(lambda: looking.one(HELD))
        [fork_server] = [int(child) for child in _children(process.pid)]
        [slot] = [int(child) for child in _children(fork_server)]
        os.kill(slot, signal.SIGKILL)
        wait_until(lambda: looking.count("done"), what=process.said())
    assert looking.traces("one") == 1
    assert looking.rows("SELECT attempts FROM forecourt.done") == [(2,)]


def _children(pid: int) -> list[str]:
    from faults.hosts import children

    return [str(child) for child in children(pid)]


BY_HAND = """
import threading, workshop
from forecourt.testing import run_now
def one(call):
    run_now(workshop.write_row, call=call)
one("in the main thread")
thread = threading.Thread(target=one, args=["in another"])
thread.start()
thread.join()
"""


def test_a_process_that_runs_calls_by_hand_closes_the_connections_that_they_had(looking: Looking) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "always::ResourceWarning", "-c", BY_HAND],
        env=os.environ | {"PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert looking.traces() == 2


def test_after_another_database_was_chosen_jobs_get_a_connection_to_that_one(
    looking: Looking, monkeypatch: pytest.MonkeyPatch, server_url: str
) -> None:
    run_now(workshop.write_row, call="here")
    monkeypatch.setenv("FORECOURT_DATABASE_URL", server_url)
    settings.cache_clear()
    forget_engine()
    with pytest.raises(psycopg.errors.UndefinedTable):
        run_now(workshop.write_row, call="there")
    assert looking.traces() == 1
