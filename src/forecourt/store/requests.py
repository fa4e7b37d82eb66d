"""What operators ask of workers: of the whole fleet, each with the instant at which it was asked;
and to end calls, whose requests `cancel` keeps.
"""

from typing import Any, NamedTuple

from psycopg import Connection

ASK = """
INSERT INTO forecourt.wishes (name)
VALUES (%(name)s)
ON CONFLICT (name) DO UPDATE
SET at = now()
"""

# One round trip for what every worker asks once a second.
ASKED_OF = """
SELECT 'unwanted', c.call_id, c.who
FROM forecourt.cancellations AS c
JOIN forecourt.running AS r ON r.id = c.call_id
WHERE r.worker = %(worker)s
UNION ALL
SELECT 'waiting', c.call_id, c.who
FROM forecourt.cancellations AS c
WHERE EXISTS (SELECT FROM forecourt.ready WHERE id = c.call_id)
   OR EXISTS (SELECT FROM forecourt.scheduled WHERE id = c.call_id)
UNION ALL
SELECT w.name, NULL, NULL
FROM forecourt.wishes AS w, forecourt.workers AS k
WHERE w.name = 'restart'
  AND k.id = %(worker)s
  AND w.at > k.started_at
"""


class Asked(NamedTuple):
    """`unwanted`: the calls that a worker runs and should end. `waiting`: the calls that are to be
    ended and wait, wherever, each with whoever asked. `restart`: whether one was asked for after
    the worker started."""

    unwanted: set[int]
    waiting: dict[int, str]
    restart: bool


def ask(tx: Connection[Any], name: str) -> None:
    """Ask for something from now on."""
    tx.execute(ASK, {"name": name})


def asked_of(tx: Connection[Any], worker: int) -> Asked:
    """What this worker should do now."""
    rows = tx.execute(ASKED_OF, {"worker": worker}).fetchall()
    return Asked(
        {call for what, call, _ in rows if what == "unwanted"},
        {call: who for what, call, who in rows if what == "waiting"},
        any(what == "restart" for what, _, _ in rows),
    )
