"""Calls for whose end somebody waits: what has become of one, and who is to be told."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from psycopg import Connection

CHANNEL = "forecourt_ended"
"""On which the id of an awaited call is heard when its end is committed."""

# In one snapshot, since a call moves between its tables, and is in one of them at any time.
LOOK = """
SELECT outcome, result::text, NULL, NULL FROM forecourt.done WHERE id = %(id)s
UNION ALL
SELECT 'failed', NULL, error, message FROM forecourt.failed WHERE id = %(id)s
UNION ALL
SELECT NULL, NULL, NULL, NULL
WHERE EXISTS (SELECT FROM forecourt.ready WHERE id = %(id)s)
   OR EXISTS (SELECT FROM forecourt.running WHERE id = %(id)s)
   OR EXISTS (SELECT FROM forecourt.scheduled WHERE id = %(id)s)
"""

AWAIT = """
INSERT INTO forecourt.awaited (call_id, until)
VALUES (%(id)s, now() + make_interval(secs => %(seconds)s))
RETURNING id
"""

FORGET = "DELETE FROM forecourt.awaited WHERE id = %(id)s"

TELL = "SELECT forecourt.tell_of_ends(%(ids)s::bigint[])"

PRUNE = "DELETE FROM forecourt.awaited WHERE until < now()"


class Standing(NamedTuple):
    """How a call stands: `outcome` is None while it waits or runs, else the word that done keeps,
    or failed; `result` is JSON text."""

    outcome: str | None
    result: str | None
    error: str | None
    message: str | None


def look(tx: Connection[Any], id: int) -> Standing | None:
    """How a call stands; None if it is in no table."""
    row = tx.execute(LOOK, {"id": id}).fetchone()
    return None if row is None else Standing(*row)


def register(tx: Connection[Any], id: int, seconds: float) -> int:
    """For so long, whoever ends the call tells of it. Returns the number of who waits."""
    return int(tx.execute(AWAIT, {"id": id, "seconds": seconds}).fetchall()[0][0])


def forget(tx: Connection[Any], number: int) -> None:
    """Who had this number waits no longer."""
    tx.execute(FORGET, {"id": number})


def tell(tx: Connection[Any], ids: Sequence[int]) -> None:
    """These calls have ended."""
    if ids:
        tx.execute(TELL, {"ids": list(ids)})


def prune(tx: Connection[Any]) -> int:
    """Forget those who have given up waiting."""
    return tx.execute(PRUNE).rowcount
