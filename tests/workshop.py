"""An application for tests: jobs that leave traces in a table, fail, hang, or kill their own
process.
"""

import asyncio
import logging
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import orm, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from forecourt import Discard, Forecourt, Release, Session, Timetable, add_to_batch, at_most, job, per, report
from forecourt.database import engine

TRACES = """
CREATE TABLE traces (
    id     bigint GENERATED ALWAYS AS IDENTITY,
    call   text        NOT NULL,
    pid    int         NOT NULL,
    at     timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""
log = logging.getLogger("workshop")
LEAVE = text("INSERT INTO traces (call, pid) VALUES (:call, :pid)")


def leave(call: str) -> None:
    """A trace that stays whatever becomes of the call: in a transaction of its own."""
    with engine().begin() as connection:
        connection.execute(LEAVE, {"call": call, "pid": os.getpid()})


@job
def nothing(n: int = 0) -> None:
    """The smallest job."""


@job(mask="account")
def wire_money(account: str, owner: str) -> None:
    """Whose account it is, is nobody's business."""


@job
def leave_trace(call: str) -> dict[str, str]:
    leave(call)
    return {"left": call}


@job(tries=5, backoff=0)
def transact(call: str, seconds: float = 0, *, session: Session) -> None:
    """Exactly once: the trace is part of the call's transaction."""
    session.execute(LEAVE, {"call": call, "pid": os.getpid()})
    time.sleep(seconds)


@job(tries=5, backoff=0)
def hold_and_wait(call: str, folder: str, *, session: Session) -> None:
    """Writes, says so in a file, and waits until another file allows it to go on."""
    session.execute(LEAVE, {"call": call, "pid": os.getpid()})
    (Path(folder) / f"{call}.{os.getpid()}.started").touch()
    while not (Path(folder) / f"{call}.go").exists():
        time.sleep(0.01)


@job(tries=2, backoff=0)
def fail(call: str) -> None:
    leave(call)
    raise ValueError(f"{call} cannot work")


@job(tries=3, backoff=0, fail_on=KeyError)
def fail_at_once(call: str) -> None:
    leave(call)
    raise KeyError(call)


@job(tries=2, backoff=0, timeout=0.5)
def hang(call: str) -> None:
    leave(call)
    time.sleep(60)


@job(tries=2, backoff=0, timeout=0.5)
def hang_in_c(call: str) -> None:
    """In a C call that returns to Python for no signal."""
    import re

    leave(call)
    re.match(r"(a|aa)+$", "a" * 60 + "b")


@job(tries=2, backoff=0)
def die(call: str, by: int = signal.SIGKILL) -> None:
    leave(call)
    os.kill(os.getpid(), by)
    time.sleep(60)


@job(tries=1)
def leave_by_exit(call: str) -> None:
    leave(call)
    raise SystemExit(3)


@job(tries=2)
def come_back(call: str, times: int) -> None:
    """Releases itself until it has been seen so often."""
    leave(call)
    with engine().connect() as connection:
        seen = connection.execute(text("SELECT count(*) FROM traces WHERE call = :call"), {"call": call}).scalar_one()
    if seen < times:
        raise Release(0, "not yet")


@job
def drop(call: str) -> None:
    leave(call)
    raise Discard("nobody wants it")


@job(batch=100, tries=2, backoff=0)
def collect(n: list[int], *, session: Session) -> None:
    if 13 in n:
        raise ValueError("thirteen")
    session.execute(LEAVE, [{"call": f"collected {number}", "pid": os.getpid()} for number in n])


@job(batch=50, tries=2, backoff=0)
def collect_or_die(n: list[int], *, session: Session) -> None:
    if 13 in n:
        os.kill(os.getpid(), signal.SIGKILL)
    session.execute(LEAVE, [{"call": f"collected {number}", "pid": os.getpid()} for number in n])


@job
def nap(call: str, seconds: float) -> None:
    leave(call)
    time.sleep(seconds)


@job
def swallow(text: str) -> int:
    return len(text)


@job(unique="key")
def only_one(key: int, note: str = "") -> None:
    leave(f"unique {key} {note}")


@job(unique=True, unique_for=3600)
def once_an_hour(key: int) -> None:
    leave(f"hourly {key}")


@job(unique="key", tries=1)
def only_one_failing(key: int) -> None:
    raise ValueError("no")


@job(unique="key", unique_for=3600, tries=1)
def once_an_hour_failing(key: int) -> None:
    raise ValueError("no")


@job(unique=True)
def only_one_with_default(a: int, b: int = 5) -> None:
    leave(f"unique {a} {b}")


@job(unique=True)
def only_one_text(text: str) -> None:
    """Unique by something long."""


@job(limit=at_most(1, by="text"), rate=per(60, 10, by="text"))
def one_at_a_time_by_text(text: str) -> None:
    leave(f"by text {len(text)}")


@job(limit=at_most(1, by="lane"))
def limited_by_default(lane: int = 0) -> None:
    """One at a time in each lane."""


@job(rate=per(60, 5))
def five_a_minute(call: str, seconds: float) -> None:
    leave(call)
    time.sleep(seconds)


@job(tries=1)
def say_and_fail(words: str) -> None:
    log.info(words)
    raise ValueError(words)


@job
def echo(value: int) -> int:
    return value


@job
def add_both(a: int, b: int) -> int:
    return a + b


@job(tries=5, backoff=0)
def transact_and_return(call: str, value: int, *, session: Session) -> int:
    """Leaves a trace in its transaction, and takes a little while."""
    transact.function(call, 0.01, session=session)
    return value


@job(tries=1)
def wait_for_another() -> None:
    echo.dispatch(value=1).result()


@job(retry_until=1.0, backoff=0.2)
def retry_for_a_second(call: str) -> None:
    leave(call)
    raise ValueError("not yet")


@job(max_errors=2, tries=10, backoff=0)
def two_errors(call: str) -> None:
    leave(call)
    raise ValueError("wrong")


@job(tries=1)
def log_and_fail(call: str) -> None:
    log.info("beginning %s", call)
    log.warning("this will not end well")
    raise ValueError(call)


@job
def log_and_finish(call: str, *, session: Session) -> None:
    log.info("all is well with %s", call)


@job
def go_far(folder: str) -> None:
    for step in range(1, 4):
        report(step, 3, f"step {step}")
        (Path(folder) / f"step.{step}").touch()
        while not (Path(folder) / f"go.{step}").exists():
            time.sleep(0.01)


@job
def wrap_up(call: str, batch: dict[str, object]) -> None:
    leave(f"{call} {batch['name']} total={batch['total']} failed={batch['failed']} cancelled={batch['cancelled']}")


@job
def mourn(call: str, failure: dict[str, object]) -> None:
    leave(f"{call} {failure['error']}")


@job
def multiply(call: str) -> None:
    add_to_batch([leave_trace.call(call=f"{call} more {n}") for n in range(3)])


@job
def grow_and_wait(folder: str, *, session: Session) -> None:
    """Adds to its batch in its own transaction, and stays in it."""
    add_to_batch([leave_trace.call(call="added")], session=session)
    (Path(folder) / "grown").touch()
    wait_for(folder, "go", 1)


@job(limit=at_most(2, by="key"))
def two_at_once(key: int, call: str, seconds: float = 0.1) -> None:
    leave(f"begin {key} {call}")
    time.sleep(seconds)
    leave(f"end {key} {call}")


@job(rate=per(3.0, 3))
def three_in_three_seconds(call: str) -> None:
    leave(call)


@job(limit=1, rate=per(60, 5))
def limited_both_ways(call: str, folder: str) -> None:
    leave(call)
    while not (Path(folder) / "go").exists():
        time.sleep(0.01)


@job
def commit_inside(call: str, *, session: Session) -> None:
    session.execute(LEAVE, {"call": call, "pid": os.getpid()})
    session.commit()


@job
def return_odd_things(which: str) -> object:
    return {"nul": "a\x00b", "long": "x" * 100_000, "surrogate": "\ud800", "object": object(), "big": 2**80}[which]


def wait_for(folder: str, pattern: str, count: int) -> None:
    """Until so many files are there."""
    while len(list(Path(folder).glob(pattern))) < count:
        time.sleep(0.01)


@job(threads=4)
def meet(call: str, folder: str) -> None:
    """Ends when four such calls have begun."""
    log.info("here is %s", call)
    (Path(folder) / f"{call}.here").touch()
    wait_for(folder, "*.here", 4)
    leave(call)


@job(threads=4, tries=2, backoff=0)
def meet_a_killer(call: str, folder: str) -> None:
    (Path(folder) / f"{call}.here").touch()
    wait_for(folder, "*.here", 4)
    if call == "killer":
        os.kill(os.getpid(), signal.SIGKILL)
    leave(call)
    wait_for(folder, "go", 1)


@job(threads=4, tries=1, timeout=1)
def meet_a_sleeper(call: str, folder: str) -> None:
    (Path(folder) / f"{call}.{time.monotonic_ns()}.here").touch()
    if call == "sleeper":
        time.sleep(60)
    wait_for(folder, "*.here", 7)


@job(threads=4, tries=2)
def kill_the_supervisor() -> None:
    fork_server = os.getppid()
    os.kill(int(Path(f"/proc/{fork_server}/stat").read_text().rpartition(")")[2].split()[1]), signal.SIGKILL)
    time.sleep(60)


@job
def wait_for_go(folder: str) -> None:
    (Path(folder) / "begun").touch()
    wait_for(folder, "go", 1)


@job(threads=4)
def transact_beside_others(call: str, *, session: Session) -> None:
    session.execute(LEAVE, {"call": call, "pid": os.getpid()})


@job(tries=5, backoff=0)
def write_row(call: str, seconds: float = 0, *, connection: psycopg.Connection[Any]) -> int:
    """Exactly once, without SQLAlchemy."""
    connection.execute("INSERT INTO traces (call, pid) VALUES (%s, pg_backend_pid())", (call,))
    time.sleep(seconds)
    return len(call)


@job(tries=2, backoff=0)
def write_row_and_fail(call: str, *, connection: psycopg.Connection[Any]) -> None:
    connection.execute("INSERT INTO traces (call, pid) VALUES (%s, pg_backend_pid())", (call,))
    raise ValueError("after it")


@job(tries=2, backoff=0)
def write_row_and_commit(call: str, *, connection: psycopg.Connection[Any]) -> None:
    connection.execute("INSERT INTO traces (call, pid) VALUES (%s, pg_backend_pid())", (call,))
    connection.commit()


@job(tries=2, backoff=0, commit_together=50)
def transact_in_groups(call: str, fail: bool = False, *, session: Session) -> None:
    session.execute(LEAVE, {"call": call, "pid": os.getpid()})
    if fail:
        raise ValueError(call)


@job(tries=2, backoff=0, commit_together=50)
def write_in_groups(call: str, fail: bool = False, *, connection: psycopg.Connection[Any]) -> None:
    connection.execute("INSERT INTO traces (call, pid) VALUES (%s, pg_backend_pid())", (call,))
    if fail:
        raise ValueError(call)


@job(tries=3, backoff=0, commit_together=50)
def write_in_groups_or_die(call: str, *, session: Session) -> None:
    session.execute(LEAVE, {"call": call, "pid": os.getpid()})
    if call == "killer":
        os.kill(os.getpid(), signal.SIGKILL)


@job(tries=2, backoff=0, commit_together=50)
def commit_in_a_group(call: str, sql: str = "", *, session: Session) -> None:
    session.execute(LEAVE, {"call": call, "pid": os.getpid()})
    if sql:
        session.execute(text(sql))


@job(tries=1, commit_together=50)
def begin_with_sql_in_groups(call: str, sql: str = "SELECT 1", *, session: Session) -> None:
    session.execute(text(sql))
    session.execute(LEAVE, {"call": call, "pid": os.getpid()})


class Model(orm.DeclarativeBase):
    pass


class Trace(Model):
    __tablename__ = "traces"
    call: orm.Mapped[str] = orm.mapped_column(primary_key=True)
    pid: orm.Mapped[int]


def leave_it_untidy(session: Session, call: str) -> None:
    session.execute(LEAVE, {"call": call, "pid": os.getpid()})
    match call:
        case "a savepoint left open":
            session.begin_nested()
        case "a savepoint left open, and raised":
            session.begin_nested()
            raise ValueError(call)
        case "an error swallowed":
            with suppress(DBAPIError):
                session.execute(text("SELECT 1 / 0"))
        case "a flush that fails":
            session.execute(text("CREATE UNIQUE INDEX IF NOT EXISTS of_traces ON traces (call)"))
            session.add(Trace(call=call, pid=os.getpid()))


@job(tries=1, commit_together=50)
def untidy_in_groups(call: str, *, session: Session) -> None:
    leave_it_untidy(session, call)


@job(tries=1)
def untidy_alone(call: str, *, session: Session) -> None:
    leave_it_untidy(session, call)


@job(commit_together=50)
def take_a_while_in_groups(seconds: float, *, connection: psycopg.Connection[Any]) -> None:
    """Says in which transaction."""
    connection.execute("INSERT INTO traces (call, pid) VALUES (pg_current_xact_id()::text, 0)")
    time.sleep(seconds)


@job(tries=1, timeout=0.5, commit_together=50)
def hang_in_groups(seconds: float, *, connection: psycopg.Connection[Any]) -> None:
    time.sleep(seconds)


kept_connections: list[psycopg.Connection[Any]] = []


@job(commit_together=50)
def keep_connection_in_groups(n: int, *, connection: psycopg.Connection[Any]) -> None:
    """Tries to use those of the calls before it."""
    for kept in kept_connections:
        try:
            kept.execute("SELECT 1")
            found = "none"
        except psycopg.Error as error:
            found = type(error).__name__
        connection.execute("INSERT INTO traces (call, pid) VALUES (%s, %s)", (found, n))
    kept_connections.append(connection)


@job(commit_together=50)
def touch_hot_row(key: int, *, session: Session) -> None:
    session.execute(text("UPDATE hot SET n = n + 1 WHERE key = :key"), {"key": key})


@job(concurrency=100)
async def rest_a_while(call: str, seconds: float) -> str:
    log.info("resting %s", call)
    await asyncio.sleep(seconds)
    return call


@job(concurrency=20, tries=2, backoff=0)
async def transact_async(call: str, fail: bool = False, *, session: AsyncSession) -> None:
    await session.execute(LEAVE, {"call": call, "pid": os.getpid()})
    await asyncio.sleep(0.01)
    if fail:
        raise ValueError(call)


@job(concurrency=20, tries=2, backoff=0)
async def write_row_async(call: str, *, connection: psycopg.AsyncConnection[Any]) -> None:
    await connection.execute("INSERT INTO traces (call, pid) VALUES (%s, pg_backend_pid())", (call,))


@job(tries=1)
async def lock_and_fail_async(call: str, *, connection: psycopg.AsyncConnection[Any]) -> None:
    await connection.execute("SELECT pg_advisory_lock(4711)")
    raise ValueError(call)


@job(concurrency=20, tries=2, backoff=0)
async def commit_async(call: str, *, session: AsyncSession) -> None:
    await session.execute(LEAVE, {"call": call, "pid": os.getpid()})
    await session.execute(text("COMMIT"))


@job(tries=2, backoff=0)
async def flush_in_vain_async(call: str, *, session: AsyncSession) -> None:
    session.add(Trace(call=None, pid=os.getpid()))
    await session.flush()


@job(concurrency=4, tries=1, timeout=1)
async def hang_async(call: str) -> None:
    await asyncio.sleep(60 if call == "sleeper" else 1.5)


@job(concurrency=4)
async def block_the_loop(seconds: float) -> None:
    time.sleep(seconds)


@job(tries=3, backoff=0)
async def hand_on(call: str, *, session: AsyncSession) -> None:
    """Dispatches in its own transaction."""
    await leave_trace.using(session=session).adispatch(call=call)


app = Forecourt(Timetable("UTC"), queues=("high", "default", "low"))
