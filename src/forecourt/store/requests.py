"""Control requests: what operators ask of the whole fleet, with the instant at which they did, or
of one worker, on its row."""

from typing import Any, Literal, TypeAlias

from psycopg import Connection

Asked: TypeAlias = Literal["quiet", "stop", "restart"]

RESTART = """
INSERT INTO forecourt.wishes (name)
VALUES ('restart')
ON CONFLICT (name) DO UPDATE
SET at = now()
"""

# Whoever is to stop, stops: nothing else can be asked of it any more.
ASK = """
UPDATE forecourt.workers
SET asked = %(what)s, asked_by = %(who)s, asked_at = now()
WHERE id = %(worker)s
  AND asked IS DISTINCT FROM 'stop'
  AND asked IS DISTINCT FROM %(what)s
"""

ASKED_OF = """
SELECT CASE
           WHEN EXISTS (SELECT FROM forecourt.wishes AS w WHERE w.name = 'restart' AND w.at > k.started_at) THEN 'restart'
           ELSE k.asked
       END,
       coalesce(k.asked_by, '')
FROM forecourt.workers AS k
WHERE k.id = %(worker)s
"""


def restart(tx: Connection[Any]) -> None:
    """Ask every worker that has started by now to end in order."""
    tx.execute(RESTART)


def ask(tx: Connection[Any], worker: int, what: Literal["quiet", "stop"] | None, who: str) -> bool:
    """Ask one worker to claim nothing more, to end in order, or, with None, to go on. False when it
    is asked so already, is to stop, or is gone."""
    return tx.execute(ASK, {"worker": worker, "what": what, "who": who}).rowcount == 1


def asked_of(tx: Connection[Any], worker: int) -> tuple[Asked | None, str] | None:
    """What is asked of a worker, and by whom; None when it has no row any more."""
    return tx.execute(ASKED_OF, {"worker": worker}).fetchone()
