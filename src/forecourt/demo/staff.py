"""The night's clock, worker and web server: alone on the database, started in time, and ready."""

import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import TextClause, text

from forecourt.database import engine, session
from forecourt.database.address import libpq_url
from forecourt.demo.processes import ProcessEnded, Processes
from forecourt.demo.timetable import tonight
from forecourt.process import boot_id, own, pid_started
from forecourt.settings import settings

LEAD = timedelta(seconds=8)
"""So long before the minute at which all is due the clock is started, at least."""

STARTING = 30.0
"""Seconds that a process has to get ready."""

ALONE = text("SELECT pg_try_advisory_lock(hashtext('forecourt.demo'))")
WORKERS = text("SELECT pid, host FROM forecourt.workers WHERE beat_at > now() - interval '12 seconds'")
NEXT_MINUTE = text("SELECT date_trunc('minute', now() + :lead + interval '1 minute')")

# Each answers null until it knows.
WORKER_IS_READY = text("SELECT true FROM forecourt.workers WHERE pid = :pid")
CLOCK_IS_IN_TIME = text(
    """
    SELECT max(evaluated_until) < :due
    FROM unnest(CAST(:names AS text[]), CAST(:fingerprints AS text[])) AS tonight(name, fingerprint)
    JOIN forecourt.tasks USING (name, fingerprint)
    HAVING count(*) = cardinality(CAST(:names AS text[]))
    """
)


class Occupied(Exception):
    """Somebody works on this database already."""


@contextmanager
def alone() -> Iterator[None]:
    """Nobody else's night on this database meanwhile, and nobody else's worker at its begin. Raises
    Occupied.
    """
    with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.scalars(ALONE).one():
            raise Occupied("another `forecourt demo` is at work on this database; wait for its report")
        try:
            for pid, host in connection.execute(WORKERS).all():
                if host == own().host and boot_id() and pid_started(pid) is None:
                    continue  # it was killed; tonight's worker takes over what it held
                raise Occupied(
                    f"worker {pid} on {host} is at work on this database, and the demo brings its own: "
                    "stop it (Ctrl-C where `forecourt up` runs) and try again"
                )
            yield
        finally:
            connection.invalidate()  # the lock ends with the connection, which must not go back to the pool


def staff() -> Processes:
    """Room for clock and worker, which run the demo's application."""
    return Processes(
        settings().var / "demo",
        {
            "FORECOURT_APP": "forecourt.demo.app:app",
            "FORECOURT_DATABASE_URL": libpq_url(),
            "FORECOURT_LOG_FORMAT": "text",
            "FORECOURT_SMTP_URL": "",  # the people are made up: their mails stay here
            "FORECOURT_STORAGE_URL": "",  # and so do their photos
        },
    )


def start_worker(processes: Processes) -> int:
    """Start the worker, and return its process id when it is ready."""
    pid = processes.start("worker", "queue", "work", "--processes", "4", "--sleep", "0.5")
    _answer(processes, "worker", WORKER_IS_READY, {"pid": pid})
    return pid


def start_clock(processes: Processes) -> datetime:
    """Start the clock, and return when everything is due: the next full minute for which it is
    ready in time.
    """
    for lead in (LEAD, 4 * LEAD):
        with session() as reader:
            due: datetime = reader.scalars(NEXT_MINUTE, {"lead": lead}).one()
        at = f"{due.astimezone(UTC):%H:%M}"
        processes.start("clock", "schedule", "work", FORECOURT_DEMO_AT=at)
        tasks = {task.name: task.fingerprint for task in tonight(at)}
        facts = {"due": due, "names": list(tasks), "fingerprints": list(tasks.values())}
        if _answer(processes, "clock", CLOCK_IS_IN_TIME, facts):
            return due
    raise ProcessEnded("this machine is too busy to start the clock in time; try again later")


def start_web(processes: Processes) -> int:
    """Start the web server, and return its port; it answers soon."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    processes.start("web", "web", FORECOURT_WEB_HOST="127.0.0.1", FORECOURT_WEB_PORT=str(port))
    return port


def _answer(processes: Processes, name: str, question: TextClause, facts: Mapping[str, Any]) -> bool:
    """What the database says as soon as it knows. Raises ProcessEnded when the process does not get
    ready.
    """
    give_up_at = time.monotonic() + STARTING
    while time.monotonic() < give_up_at:
        processes.check()
        with session() as reader:
            answer: bool | None = reader.scalars(question, facts).one_or_none()
        if answer is not None:
            return answer
        time.sleep(0.1)
    raise ProcessEnded(f"the {name} is not ready after {STARTING:.0f} s; it says why in {processes.log_of(name)}")
