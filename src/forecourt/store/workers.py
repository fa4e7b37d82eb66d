"""The workers' rows: one heartbeat a worker, none on calls."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from forecourt.database.asking import ask

REGISTER = """
INSERT INTO forecourt.workers (host, boot, pid, pid_started, slots, queues, version, marks, shutdown_timeout, stop_grace)
VALUES (%(host)s, %(boot)s, %(pid)s, %(pid_started)s, %(slots)s, %(queues)s, %(version)s, %(marks)s,
        %(shutdown_timeout)s, %(stop_grace)s)
RETURNING id
"""

BEAT = """
UPDATE forecourt.workers
SET beat_at = now(), busy = %(busy)s, stopping = %(stopping)s, quiet = %(quiet)s, memory = %(memory)s
WHERE id = %(worker)s
RETURNING id
"""

SILENT = """
SELECT id, host, boot, pid, pid_started, marks, slots, extract(epoch FROM now() - beat_at)::float8 AS silent
FROM forecourt.workers
WHERE id <> %(self)s
  AND (beat_at NOT BETWEEN now() - make_interval(secs => %(grace)s) AND now() + make_interval(secs => %(grace)s)
       OR (host = %(host)s AND boot = %(boot)s))
"""

LOCK = """
SELECT id
FROM forecourt.workers
WHERE id = ANY (%(workers)s)
FOR UPDATE SKIP LOCKED
"""

# Waits a second for each to be gone, so that what it was committing is committed by then, or never
# will be.
END_SESSIONS = """
SELECT count(pg_terminate_backend(pid, 1000))
FROM pg_stat_activity
WHERE application_name ~ ANY (%(patterns)s)
  AND pid <> pg_backend_pid()
  AND datname = current_database()
  AND usename = current_user
"""


REMOVE = """
WITH gone AS (
    DELETE FROM forecourt.workers
    WHERE id = ANY (%(workers)s)
    RETURNING id, host, pid
)
INSERT INTO forecourt.past_workers (id, host, pid)
SELECT id, host, pid
FROM gone
"""

SERVE = """
SELECT EXISTS (
    SELECT
    FROM forecourt.workers
    WHERE %(queue)s = ANY (queues)
      AND NOT quiet
      AND beat_at > now() - interval '30 seconds'
)
"""


@dataclass(frozen=True, slots=True)
class Registered:
    """A worker as the others see it. `boot` and `pid_started` tell a reused process id from the
    same process; `marks` is the file in which its `slots` say what they run."""

    id: int
    host: str
    boot: str
    pid: int
    pid_started: str
    marks: str
    slots: int
    silent: float


def register(
    tx: Connection[Any],
    *,
    host: str,
    boot: str,
    pid: int,
    pid_started: str,
    slots: int,
    queues: Sequence[str],
    version: str,
    marks: str,
    shutdown_timeout: float | None = None,
    stop_grace: float | None = None,
) -> int:
    """Enter a worker and return its id, which no worker ever gets again."""
    parameters = {
        "host": host,
        "boot": boot,
        "pid": pid,
        "pid_started": pid_started,
        "slots": slots,
        "queues": list(queues),
        "version": version,
        "marks": marks,
        "shutdown_timeout": shutdown_timeout,
        "stop_grace": stop_grace,
    }
    row = tx.execute(REGISTER, parameters).fetchone()
    assert row is not None
    return int(row[0])


def beat(
    tx: Connection[Any], worker: int, *, busy: int, stopping: bool, quiet: bool = False, memory: int | None = None
) -> bool:
    """Say that the worker lives. False when others gave it up and took its calls: it must start
    anew.
    """
    return bool(ask(tx, BEAT, worker=worker, busy=busy, stopping=stopping, quiet=quiet, memory=memory))


def suspects(tx: Connection[Any], *, self: int, grace: float, host: str, boot: str) -> list[Registered]:
    """Workers whose last beat is more than `grace` seconds away, in the past or in the future, and
    all others of this host, whose processes can be looked at."""
    found = ask(tx, SILENT, self=self, grace=grace, host=host, boot=boot)
    return [
        Registered(int(id), host, boot, int(pid), pid_started, marks, int(slots), float(silent))
        for id, host, boot, pid, pid_started, marks, slots, silent in found
    ]


def lock(tx: Connection[Any], workers: Sequence[int]) -> list[int]:
    """Lock these rows until the transaction ends, except those that another rescuer holds. Returns
    the locked ids.
    """
    return [row[0] for row in tx.execute(LOCK, {"workers": list(workers)})]


def remove(tx: Connection[Any], workers: Sequence[int]) -> None:
    """Take workers off the list; where they ran stays known as long as calls that name them."""
    tx.execute(REMOVE, {"workers": list(workers)})


def end_sessions(tx: Connection[Any], names: Sequence[str]) -> None:
    """End other sessions with these names, and those of the slots below, with the locks that they
    hold and all that they leave undecided. A client that was cut off may otherwise keep them for
    hours."""
    tx.execute(END_SESSIONS, {"patterns": [rf"^{re.escape(name)}(\.\d+)?$" for name in names]})


def serve(tx: Connection[Any], queue: str) -> bool:
    """Whether any live worker serves a queue, and is not quiet."""
    return bool(tx.execute(SERVE, {"queue": queue}).fetchall()[0][0])


def session_names(workers: Sequence[int]) -> list[str]:
    """The application names of everything that belongs to these workers."""
    return [name(worker) for worker in workers for name in (agents_name, slot_name, jobs_name)]


def agents_name(worker: int) -> str:
    """The application name of a worker's background duties in pg_stat_activity."""
    return f"forecourt agents of {worker}"


def slot_name(worker: int, slot: int | None = None) -> str:
    """The application name of the sessions in which a worker's slots, or one of them, claim and
    acknowledge.
    """
    return f"forecourt slots of {worker}" if slot is None else f"forecourt slots of {worker}.{slot}"


def jobs_name(worker: int, slot: int | None = None) -> str:
    """The application name of the sessions that a worker's slots, or one of them, give to jobs."""
    return f"forecourt jobs of {worker}" if slot is None else f"forecourt jobs of {worker}.{slot}"
