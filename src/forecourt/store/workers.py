"""The workers' rows: one heartbeat a worker, none on calls."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

REGISTER = """
INSERT INTO forecourt.workers (host, boot, pid, pid_started, slots, queues, version, marks)
VALUES (%(host)s, %(boot)s, %(pid)s, %(pid_started)s, %(slots)s, %(queues)s, %(version)s, %(marks)s)
RETURNING id
"""

BEAT = """
UPDATE forecourt.workers
SET beat_at = now(), busy = %(busy)s, stopping = %(stopping)s
WHERE id = %(worker)s
RETURNING id
"""

SILENT = """
SELECT id, host, boot, pid, pid_started, marks, extract(epoch FROM now() - beat_at)::float8 AS silent
FROM forecourt.workers
WHERE id <> %(self)s
  AND (beat_at < now() - make_interval(secs => %(grace)s) OR (host = %(host)s AND boot = %(boot)s))
"""

LOCK = """
SELECT id
FROM forecourt.workers
WHERE id = ANY (%(workers)s)
FOR UPDATE SKIP LOCKED
"""

END_BACKENDS = """
SELECT count(pg_terminate_backend(pid))
FROM pg_stat_activity
WHERE application_name = ANY (%(names)s)
  AND usename = current_user
"""


@dataclass(frozen=True, slots=True)
class Registered:
    """A worker as the others see it. `boot` and `pid_started` tell a reused process id from the same process; `marks` is the
    file in which its slots say what they run."""

    id: int
    host: str
    boot: str
    pid: int
    pid_started: str
    marks: str
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
    }
    row = tx.execute(REGISTER, parameters).fetchone()
    assert row is not None
    return int(row[0])


def beat(tx: Connection[Any], worker: int, *, busy: int, stopping: bool) -> bool:
    """Say that the worker lives. False when others gave it up and took its calls: it must start anew."""
    return tx.execute(BEAT, {"worker": worker, "busy": busy, "stopping": stopping}).fetchone() is not None


def suspects(tx: Connection[Any], *, self: int, grace: float, host: str, boot: str) -> list[Registered]:
    """Workers silent for more than `grace` seconds, and all others of this host, whose processes can be looked at."""
    with tx.cursor(row_factory=class_row(Registered)) as cursor:
        return cursor.execute(SILENT, {"self": self, "grace": grace, "host": host, "boot": boot}).fetchall()


def lock(tx: Connection[Any], workers: Sequence[int]) -> list[int]:
    """Lock these rows until the transaction ends, except those that another lifeline holds. Returns the locked ids."""
    return [row[0] for row in tx.execute(LOCK, {"workers": list(workers)})]


def remove(tx: Connection[Any], workers: Sequence[int]) -> None:
    """Forget workers, and end the database sessions that their slots may still hold, with the locks in them."""
    names = [slot_name(worker) for worker in workers]
    tx.execute(END_BACKENDS, {"names": names})
    tx.execute("DELETE FROM forecourt.workers WHERE id = ANY (%(workers)s)", {"workers": list(workers)})


def slot_name(worker: int) -> str:
    """The application name of a worker's slots in pg_stat_activity."""
    return f"forecourt slot of {worker}"
