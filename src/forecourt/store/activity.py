"""Which workers there are, and what each of them runs."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from psycopg import Connection
from psycopg.rows import class_row

RUNNING = """
SELECT r.id, r.job, r.queue, r.worker, r.slot, r.attempts, r.claimed_at, r.started_at, r.deadline,
       p.done, p.total, p.words
FROM forecourt.running AS r
LEFT JOIN forecourt.progress AS p ON p.call_id = r.id
ORDER BY coalesce(r.started_at, r.claimed_at), r.id
LIMIT %(most)s
"""

WORKERS = """
SELECT id, host, pid, slots, busy, queues, version, started_at, beat_at, stopping, shutdown_timeout, stop_grace,
       quiet, asked, asked_by, asked_at, memory,
       greatest(0, extract(epoch FROM now() - beat_at))::float8 AS silent
FROM forecourt.workers
ORDER BY host, id
LIMIT %(most)s
"""

# Not from running: while an old transaction holds the horizon, all that ran there is in the way.
ACTIVE = "SELECT EXISTS (SELECT FROM forecourt.workers WHERE busy > 0)"


@dataclass(frozen=True, slots=True)
class Doing:
    """A call that a worker has claimed; `started_at` is None until its function has been running
    for a moment.
    """

    id: int
    job: str
    queue: str
    worker: int
    slot: int | None
    attempts: int
    claimed_at: datetime
    started_at: datetime | None
    deadline: datetime | None
    done: float | None
    total: float | None
    words: str | None

    @property
    def since(self) -> datetime:
        return self.started_at or self.claimed_at


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker that has not been given up, with what it runs. `silent`: seconds since its last
    heartbeat; `memory`: bytes that all its processes take together (PSS), None where it does not
    tell; `asked`: what an operator wants of it, and `quiet`: whether it claims nothing more.
    """

    id: int
    host: str
    pid: int
    slots: int
    busy: int
    queues: list[str]
    version: str
    started_at: datetime
    beat_at: datetime
    stopping: bool
    shutdown_timeout: float | None
    stop_grace: float | None
    quiet: bool
    asked: Literal["quiet", "stop"] | None
    asked_by: str | None
    asked_at: datetime | None
    memory: int | None
    silent: float
    runs: list[Doing] = field(default_factory=list)


def is_any(tx: Connection[Any]) -> bool:
    """Whether some slot was busy at its worker's last heartbeat."""
    return bool(tx.execute(ACTIVE).fetchall()[0][0])


def of_workers(tx: Connection[Any], most: int = 1000) -> list[Worker]:
    """Every worker with its calls, the longest running first."""
    with tx.cursor(row_factory=class_row(Worker)) as cursor:
        workers = cursor.execute(WORKERS, {"most": most}).fetchall()
    with tx.cursor(row_factory=class_row(Doing)) as cursor:
        doing = cursor.execute(RUNNING, {"most": most * 10}).fetchall()
    by_id = {worker.id: worker for worker in workers}
    for call in doing:
        if call.worker in by_id:
            by_id[call.worker].runs.append(call)
    return workers
