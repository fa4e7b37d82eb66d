"""How far each task of the timetable has been evaluated."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg import Connection

ENTER = """
INSERT INTO forecourt.tasks AS t (name, fingerprint, evaluated_until)
SELECT name, fingerprint, coalesce(%(at)s, now())
FROM unnest(%(names)s::text[], %(fingerprints)s::text[]) AS given(name, fingerprint)
ORDER BY name
ON CONFLICT (name) DO UPDATE
SET fingerprint = excluded.fingerprint,
    evaluated_until = excluded.evaluated_until
WHERE t.fingerprint <> excluded.fingerprint
"""

EVALUATED = "SELECT name, evaluated_until FROM forecourt.tasks WHERE name = ANY (%(names)s)"

LOCK = """
SELECT name, evaluated_until
FROM forecourt.tasks
WHERE name = ANY (%(names)s)
ORDER BY name
FOR UPDATE SKIP LOCKED
"""

ADVANCE = """
UPDATE forecourt.tasks AS t
SET evaluated_until = given.until
FROM unnest(%(names)s::text[], %(untils)s::timestamptz[]) AS given(name, until)
WHERE t.name = given.name
  AND t.evaluated_until < given.until
"""


frozen: datetime | None = None
"""Where tests stub the clock, by `forecourt.testing.freeze`: an instant that stands for the database's now."""


def enter(tx: Connection[Any], fingerprints: Mapping[str, str], at: datetime | None) -> dict[str, datetime]:
    """Make tasks known, and return until when each has been evaluated.

    A new task, and one whose frequency changed, begins at `at` (None for now): what it would have done before is not made up.
    """
    names = list(fingerprints)
    tx.execute(ENTER, {"names": names, "fingerprints": list(fingerprints.values()), "at": at or frozen})
    return {row[0]: row[1] for row in tx.execute(EVALUATED, {"names": names})}


def lock(tx: Connection[Any], names: Sequence[str]) -> dict[str, datetime]:
    """Lock tasks until the transaction ends, except those that another clock holds, with their evaluated-until."""
    return {row[0]: row[1] for row in tx.execute(LOCK, {"names": list(names)})}


def advance(tx: Connection[Any], until: Mapping[str, datetime]) -> None:
    """Note until when, inclusive, tasks have been evaluated. Nothing moves backwards."""
    tx.execute(ADVANCE, {"names": list(until), "untils": list(until.values())})


def now(tx: Connection[Any]) -> datetime:
    """The database's clock, which is the clock."""
    if frozen is not None:
        return frozen
    row = tx.execute("SELECT now()").fetchone()
    assert row is not None
    return row[0]  # type: ignore[no-any-return]
