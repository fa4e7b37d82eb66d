"""What each application's timetable was when one of its clocks last began."""

from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection

from forecourt.store import json_text

# A clock from crontab begins each minute: what has not changed is not written.
DECLARE = """
INSERT INTO forecourt.timetables AS t (application, tasks)
VALUES (%(application)s, %(tasks)s::jsonb)
ON CONFLICT (application) DO UPDATE
SET tasks = excluded.tasks,
    declared_at = now()
WHERE t.tasks <> excluded.tasks
"""

DECLARED = """
SELECT tasks, declared_at
FROM forecourt.timetables
WHERE application = %(application)s
"""


class Declared(NamedTuple):
    """A timetable as plain data, and since when it is that."""

    tasks: dict[str, Any]
    since: datetime


def declare(tx: Connection[Any], application: str, tasks: dict[str, Any]) -> None:
    """Say what an application's timetable is."""
    tx.execute(DECLARE, {"application": application, "tasks": json_text.dumps(tasks)})


def declared(tx: Connection[Any], application: str) -> Declared | None:
    """What a clock of the application last declared; None when none has run here."""
    row = tx.execute(DECLARED, {"application": application}).fetchone()
    return None if row is None else Declared(*row)
