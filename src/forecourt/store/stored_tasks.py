"""Tasks that were added while the application ran, beside those of its code."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

ADD = """
INSERT INTO forecourt.stored_tasks (name, job, args, cron, timezone, queue, priority, description, changed_by)
VALUES (%(name)s, %(job)s, %(args)s::jsonb, %(cron)s, %(timezone)s, %(queue)s, %(priority)s, %(description)s, %(who)s)
ON CONFLICT (name) DO NOTHING
RETURNING name
"""

EDIT = """
UPDATE forecourt.stored_tasks
SET args = %(args)s::jsonb,
    cron = %(cron)s,
    timezone = %(timezone)s,
    queue = %(queue)s,
    priority = %(priority)s,
    description = %(description)s,
    changed_by = %(who)s,
    changed_at = clock_timestamp()
WHERE name = %(name)s
"""

# With how far it was evaluated: a task that comes back under its name begins anew, and makes up
# nothing.
REMOVE = """
WITH removed AS (
    DELETE FROM forecourt.stored_tasks
    WHERE name = %(name)s
)
DELETE FROM forecourt.tasks
WHERE name = %(name)s
"""

LOCKED = """
SELECT name, job, args, cron, timezone, queue, priority, description, changed_by, changed_at
FROM forecourt.stored_tasks
WHERE name = %(name)s
FOR UPDATE
"""

ALL = """
SELECT name, job, args, cron, timezone, queue, priority, description, changed_by, changed_at
FROM forecourt.stored_tasks
ORDER BY name
"""

# Every row counts, not the latest alone: a change that is committed late bears the earlier time.
STATE = "SELECT md5(string_agg(concat(name, changed_at), ' ' ORDER BY name)) FROM forecourt.stored_tasks"


@dataclass(frozen=True, slots=True)
class StoredTask:
    """A task as it is stored. What is None is the timetable's or the job's own."""

    name: str
    job: str
    args: dict[str, Any]
    cron: str
    timezone: str | None = None
    queue: str | None = None
    priority: int | None = None
    description: str = ""
    changed_by: str = ""
    changed_at: datetime | None = None


def add(tx: Connection[Any], task: StoredTask, args: str, who: str) -> bool:
    """Store a task. `args`: its arguments as JSON text. False when one of its name is stored
    already.
    """
    return tx.execute(ADD, _parameters(task, args, who)).fetchone() is not None


def edit(tx: Connection[Any], task: StoredTask, args: str, who: str) -> None:
    """Replace everything of a stored task but its name and its job."""
    tx.execute(EDIT, _parameters(task, args, who))


def remove(tx: Connection[Any], name: str) -> None:
    """Forget a stored task."""
    tx.execute(REMOVE, {"name": name})


def locked(tx: Connection[Any], name: str) -> StoredTask | None:
    """The one of this name, which nobody else changes until the transaction ends."""
    with tx.cursor(row_factory=class_row(StoredTask)) as cursor:
        return cursor.execute(LOCKED, {"name": name}).fetchone()


def every(tx: Connection[Any]) -> list[StoredTask]:
    """All of them, by name."""
    with tx.cursor(row_factory=class_row(StoredTask)) as cursor:
        return cursor.execute(ALL).fetchall()


def state(tx: Connection[Any]) -> str | None:
    """Something that is another after each change; None while there is no stored task."""
    return tx.execute(STATE).fetchall()[0][0]  # type: ignore[no-any-return]


def _parameters(task: StoredTask, args: str, who: str) -> dict[str, Any]:
    return {
        "name": task.name,
        "job": task.job,
        "args": args,
        "cron": task.cron,
        "timezone": task.timezone,
        "queue": task.queue,
        "priority": task.priority,
        "description": task.description,
        "who": who,
    }
