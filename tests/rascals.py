"""An application of jobs that misbehave towards their own process and their own connection, and of
one that looks for traces.
"""

import asyncio
import io
import logging.config
import os
import resource
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from forecourt import Discard, Forecourt, Session, Timetable, job
from forecourt.database import bridge, engine
from workshop import LEAVE

log = logging.getLogger("rascals")
TENANT = ContextVar("tenant", default="nobody")


def write(session: Session, call: str) -> None:
    session.execute(LEAVE, {"call": call, "pid": os.getpid()})


@job(tries=1)
def fork_and_return() -> str:
    return "child" if os.fork() == 0 else "parent"


@job(tries=1)
def fork_and_raise() -> str:
    if os.fork() == 0:
        raise SystemExit(0)
    return "parent"


@job(tries=1)
def fork_with_a_session(*, session: Session) -> str:
    write(session, "forked")
    return "child" if os.fork() == 0 else "parent"


@job(tries=1)
def close_all_descriptors() -> None:
    os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    with engine().connect() as connection:  # takes the numbers that have become free
        connection.execute(text("SELECT 1"))


@job(tries=1)
def exit_at_once() -> None:
    os._exit(0)


@job(tries=1)
def exit_politely() -> None:
    sys.exit(0)


@job(tries=1)
def leave_threads() -> None:
    threading.Thread(target=time.sleep, args=(3600,)).start()
    threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()


@job(tries=1)
def ignore_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGPIPE, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGTERM})


@job(tries=1)
def leave_a_timer() -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.05)


@job(tries=1)
def print_without_end() -> None:
    for _ in range(100):
        sys.stdout.write("x" * 1024 * 1024)


@job(tries=1)
def change_surroundings() -> None:
    os.environ["PATH"] = "/nowhere"
    os.environ["RASCAL"] = "was here"
    os.environ.pop("HOME", None)
    os.environ["TZ"] = "Pacific/Apia"
    time.tzset()
    TENANT.set("a rascal")
    socket.setdefaulttimeout(0.001)
    sys.stdout = sys.stderr = io.StringIO()
    sys.stdout.close()
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False, "root": {"handlers": []}})
    os.chdir("/")
    os.umask(0o777)
    sys.setrecursionlimit(123_456)


@job(tries=1)
def recurse_without_end() -> int:
    sys.setrecursionlimit(100_000)

    def deeper(n: int) -> int:
        return deeper(n + 1) + 1

    return deeper(0)


@job(tries=2, backoff=0)
def commit_by_hand(sql: str, more: bool, *, session: Session) -> None:
    write(session, "by hand")
    session.execute(text(sql))
    if more:
        write(session, "after it")


@job(tries=3, backoff=0)
def commit_and_raise(*, session: Session) -> None:
    write(session, "and raise")
    session.execute(text("COMMIT"))
    raise ValueError("after a commit")


@job(tries=3, backoff=0)
def commit_more_and_raise(*, session: Session) -> None:
    write(session, "more and raise")
    session.execute(text("COMMIT"))
    write(session, "rolled back")
    raise ValueError("after a commit")


async def never_awaited() -> None: ...


@job(tries=1)
def return_a_coroutine() -> object:
    return never_awaited()


@job(tries=2, backoff=0)
def commit_through_the_driver(*, session: Session) -> None:
    write(session, "through the driver")
    session.connection().connection.driver_connection.commit()  # type: ignore[union-attr]
    write(session, "after it")


@job(tries=1)
def begin_a_block(*, session: Session) -> None:
    with session.begin():
        write(session, "in a block")


@job(tries=1)
def close_the_session(*, session: Session) -> None:
    with session:
        write(session, "and closed")


@job(tries=1)
def roll_back(*, session: Session) -> None:
    write(session, "rolled back")
    session.rollback()
    write(session, "after the rollback")


@job(tries=2, backoff=0)
def close_the_connection(commit: bool, *, connection: psycopg.Connection[Any]) -> None:
    if not commit:
        connection.close()
        return
    with connection:  # commits, and closes it
        connection.execute("INSERT INTO traces (call, pid) VALUES ('with connection', 0)")


@job(tries=2, backoff=0, concurrency=2)
async def close_the_connection_async(*, connection: psycopg.AsyncConnection[Any]) -> None:
    async with connection:
        await connection.execute("INSERT INTO traces (call, pid) VALUES ('with connection, async', 0)")


@job(tries=2, backoff=0, commit_together=2)
def close_the_connection_in_a_group(*, connection: psycopg.Connection[Any]) -> None:
    with connection:
        connection.execute("INSERT INTO traces (call, pid) VALUES ('with connection, in a group', 0)")


async def exit_a_task() -> None:
    await asyncio.sleep(0)
    sys.exit(3)


@job(tries=1, concurrency=2)
async def exit_in_a_task() -> None:
    await asyncio.gather(exit_a_task())


@job(tries=1, concurrency=2)
async def stop_the_loop() -> None:
    asyncio.get_running_loop().stop()
    await asyncio.sleep(0)


@job(tries=1)
def use_a_savepoint(*, session: Session) -> None:
    write(session, "before the savepoint")
    try:
        with session.begin_nested():
            write(session, "in the savepoint")
            raise LookupError
    except LookupError:
        pass


@job(batch=10, tries=1)
def commit_together(n: list[int], *, session: Session) -> None:
    write(session, "together")
    session.execute(text("COMMIT"))


LEFTOVERS = """
    SET statement_timeout = '17s';
    SET work_mem = '65kB';
    SET TimeZone = 'Pacific/Apia';
    LISTEN rascals;
    CREATE TEMPORARY TABLE traces (call text, pid int) ON COMMIT DROP;
    CREATE TEMPORARY TABLE left_behind ();
    SELECT pg_advisory_lock(4711);
    DECLARE left_open CURSOR WITH HOLD FOR SELECT 1
"""


@job(tries=1)
def leave_things_on_the_connection(fail: bool, *, session: Session) -> None:
    session.connection().connection.driver_connection.execute(LEFTOVERS)  # type: ignore[union-attr]
    if fail:
        raise ValueError("and fail")


@job(tries=1)
def leave_things_on_an_own_connection() -> None:
    with engine().begin() as connection:
        connection.connection.driver_connection.execute(LEFTOVERS)  # type: ignore[union-attr]


class Mute:
    def __repr__(self) -> str:
        raise RuntimeError("no words")


class SoldAlready(Discard):
    def __init__(self) -> None: ...


@job(tries=1)
def discard_in_own_words() -> None:
    raise SoldAlready


@job(tries=1)
def return_something_mute() -> object:
    return Mute()


class MuteError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class InterruptingError(Exception):
    def __str__(self) -> str:
        raise KeyboardInterrupt


class OddError(Exception):
    __module__ = "odd\ud800"


def trouble(kind: str) -> Exception:
    match kind:
        case "mute":
            return MuteError()
        case "interrupting":
            return InterruptingError()
        case "surrogate":
            return OddError("odd")
        case "deep group":
            group: Exception = ValueError("innermost")
            for _ in range(5000):
                group = ExceptionGroup("one more", [group])
            return group
        case "circle":
            first, second = ValueError("first"), ValueError("second")
            first.__cause__, second.__cause__ = second, first
            return first
    raise AssertionError(kind)


@job(tries=1)
def raise_trouble(kind: str) -> None:
    raise trouble(kind)


@job(threads=2, tries=1)
def raise_trouble_in_a_thread(kind: str) -> None:
    raise trouble(kind)


ASKED = {
    "statement_timeout": "SHOW statement_timeout",
    "work_mem": "SHOW work_mem",
    "timezone": "SHOW TimeZone",
    "listening": "SELECT count(*) FROM pg_listening_channels()",
    "temporary": "SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND pg_table_is_visible(oid)",
    "locks": "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
    "cursors": "SELECT count(*) FROM pg_cursors WHERE is_holdable",
}


@job(tries=1)
def look_around(*, session: Session) -> dict[str, Any]:
    """What the slot looks like from inside, wherever and whenever it runs."""
    connection = session.connection()
    print("looking around")
    log.warning("looking around")
    return {
        "zone": time.strftime("%z"),
        "tenant": TENANT.get(),
        "patience": socket.getdefaulttimeout(),
        "environment": sorted(os.environ.items()),
        "folder": str(Path.cwd()),
        "umask": (os.umask(0o22), os.umask(0o22))[0],
        "recursion": sys.getrecursionlimit(),
        "timer": signal.getitimer(signal.ITIMER_REAL)[0],
        "signals": [str(signal.getsignal(n)).partition(" at ")[0] for n in sorted(signal.valid_signals())],
        "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
    } | {name: connection.exec_driver_sql(query).scalar_one() for name, query in ASKED.items()}


@job(threads=2, tries=1)
def fork_in_a_thread() -> str:
    return fork_and_return()


@job(threads=2, tries=1)
def change_surroundings_in_a_thread() -> None:
    change_surroundings()


@job(threads=2, tries=1)
def close_all_descriptors_in_a_thread() -> None:
    close_all_descriptors()


@job(tries=1)
async def fork_in_a_coroutine() -> str:
    forked = os.fork() == 0
    await asyncio.sleep(0)  # back to the event loop
    return "child" if forked else "parent"


@job(tries=1)
async def fork_beside_another_coroutine() -> int:
    """How often the other one went on."""
    reading, writing = os.pipe()

    async def other() -> None:
        await asyncio.sleep(0)
        os.write(writing, b"!")

    beside = asyncio.create_task(other())
    await asyncio.sleep(0)
    child = os.fork()
    await asyncio.sleep(0)
    await beside
    if child:
        os.waitpid(child, 0)
    went_on = len(os.read(reading, 9))
    os.close(reading)
    os.close(writing)
    return went_on


@job(tries=1)
async def fork_in_a_coroutine_with_a_session(*, session: AsyncSession) -> str:
    await session.execute(LEAVE, {"call": "forked in a coroutine", "pid": os.getpid()})
    return "child" if os.fork() == 0 else "parent"


@job(tries=1)
async def change_surroundings_in_a_coroutine() -> None:
    change_surroundings()


@job(tries=1)
async def exit_politely_in_a_coroutine() -> None:
    sys.exit(0)


@job(tries=1)
async def close_all_descriptors_in_a_coroutine() -> None:
    close_all_descriptors()
    await asyncio.sleep(0.1)


@job(tries=1)
async def leave_things_on_the_connection_in_a_coroutine(then: str, *, session: AsyncSession) -> None:
    driver = await bridge.driver_of(await session.connection())
    await driver.execute(LEFTOVERS.encode(), prepare=False)
    if "COMMIT" in then:
        await session.execute(text("COMMIT"))
    if "raise" in then:
        raise ValueError(then)


@job(tries=2, backoff=0)
async def end_the_transaction_in_a_coroutine(how: str, *, session: AsyncSession) -> None:
    await session.execute(LEAVE, {"call": f"in a coroutine, {how}", "pid": os.getpid()})
    match how:
        case "commit":
            await session.commit()
        case "begin":
            async with session.begin():
                pass
        case "rollback":
            await session.rollback()
            await session.execute(LEAVE, {"call": "in a coroutine, after it", "pid": os.getpid()})
        case "with session":
            async with session:
                pass
        case "the driver's commit":
            await (await bridge.driver_of(await session.connection())).commit()
            await session.execute(LEAVE, {"call": "in a coroutine, after it", "pid": os.getpid()})
        case "COMMIT AND CHAIN":
            await session.execute(text(how))
        case "savepoint":
            with suppress(LookupError):
                async with session.begin_nested():
                    await session.execute(LEAVE, {"call": "in a coroutine's savepoint", "pid": os.getpid()})
                    raise LookupError


@job(tries=1)
async def look_around_in_a_coroutine(*, session: AsyncSession) -> dict[str, Any]:
    """What is on the connection that coroutines get."""
    return {name: (await session.execute(text(query))).scalar_one() for name, query in ASKED.items()}


@job(tries=1)
def count_letters(text: str) -> int:
    return len(text)


app = Forecourt(Timetable("UTC"), queues=("default",))
