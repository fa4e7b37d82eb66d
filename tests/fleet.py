"""Workers and clocks as real processes, and waiting for what they do."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from forecourt.store import ready
from forecourt.store.ready import Claimed

TESTS = Path(__file__).parent


def wait_until(condition: Callable[[], object], timeout: float = 30, what: str = "") -> Any:
    """Wait until the condition is true and return what it returned; fail with words when it takes
    too long.
    """
    end = time.monotonic() + timeout
    while not (found := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout} s in vain{f' for {what}' if what else ''}")
        time.sleep(0.02)
    return found


class Process:
    """`forecourt ...` as a child process; its log is kept for the assertion message."""

    def __init__(self, *arguments: str, app: str = "workshop:app", **environment: str) -> None:
        self.log = Path(os.environ["FORECOURT_VAR"]).with_name(f"process-{time.monotonic_ns()}.log")
        with self.log.open("wb") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "forecourt", *arguments],
                env=os.environ
                | {"PYTHONPATH": str(TESTS), "FORECOURT_APP": app, "FORECOURT_LOG_FORMAT": "text"}
                | environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.popen.pid

    def signal(self, number: int) -> None:
        self.popen.send_signal(number)

    def wait(self, timeout: float = 40) -> int:
        """The exit code."""
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout} s:\n{self.said()}") from None

    def said(self) -> str:
        return self.log.read_text()

    def kill(self) -> None:
        """kill -9, and reap."""
        self.popen.kill()
        self.popen.wait()


@contextmanager
def running(*arguments: str, **options: Any) -> Iterator[Process]:
    """A process that is stopped in order at the end of the block."""
    process = Process(*arguments, **options)
    try:
        yield process
    finally:
        if process.popen.poll() is None:
            process.signal(signal.SIGTERM)
            try:
                process.popen.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def worker(*options: str, processes: int = 2, **more: Any) -> Any:
    """A worker over all the workshop's queues, quick to notice."""
    return running(
        "queue",
        "work",
        "--queue",
        "high,default,low",
        "--processes",
        str(processes),
        "--sleep",
        "0.2",
        *options,
        **more,
    )


def work_until_empty(*options: str, processes: int = 2, **more: Any) -> Process:
    """A worker that works off what is ready now, and has ended. Its exit code must be 0."""
    process = Process(
        "queue",
        "work",
        "--queue",
        "high,default,low",
        "--processes",
        str(processes),
        "--stop-when-empty",
        *options,
        **more,
    )
    assert process.wait() == 0, process.said()
    return process


class Looking:
    """Questions to the test's database, each on a fresh snapshot."""

    def __init__(self, url: str) -> None:
        self.connection = psycopg.connect(url, autocommit=True)

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(query.encode(), parameters).fetchall()

    def one(self, query: str, *parameters: Any) -> Any:
        rows = self.rows(query, *parameters)
        return rows[0][0] if rows else None

    def count(self, table: str) -> int:
        return int(self.one(f"SELECT count(*) FROM forecourt.{table}"))

    def traces(self, call: str | None = None) -> int:
        return int(self.one("SELECT count(*) FROM traces WHERE call LIKE %s", call or "%"))

    def waiting(self) -> int:
        """Sessions of this database that wait for a lock."""
        return int(
            self.one(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
        )

    def live(self) -> int:
        """Calls that are not over yet."""
        return int(
            self.one(
                "SELECT (SELECT count(*) FROM forecourt.ready) + (SELECT count(*) FROM forecourt.scheduled)"
                " + (SELECT count(*) FROM forecourt.running)"
            )
        )


def claim(
    tx: psycopg.Connection[Any], *, worker: int = 1, limit: int = 1, queue: str = "default", **more: Any
) -> list[Claimed]:
    """What a slot of this worker claims; the worker enters the list, should it not be on it."""
    tx.execute(
        "INSERT INTO forecourt.workers (id, host, boot, pid, pid_started, slots, queues, version, marks) OVERRIDING SYSTEM VALUE"
        " VALUES (%s, 'test', 'test', 1, '1', 1, '{default}', '0', '') ON CONFLICT (id) DO NOTHING",
        (worker,),
    )
    return ready.claim(tx, queues=[queue], limit=limit, worker=worker, slot=0, low=more.get("low", {}))
