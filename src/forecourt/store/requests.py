"""Control requests: what operators ask of the whole fleet, with the instant at which they did, or
of one worker, on its row; and to end calls, whose requests `cancel` keeps."""

from typing import Any, Literal, NamedTuple, TypeAlias

from psycopg import Connection

from forecourt.database.asking import ask as send

Asked: TypeAlias = Literal["quiet", "stop", "restart"]

RESTART = """
INSERT INTO forecourt.control_requests (name)
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

# One round trip for what every worker asks twice a second.
ASKED_OF = """
SELECT 'unwanted' AS what, c.call_id, NULL AS asked, c.who
FROM forecourt.cancellations AS c
JOIN forecourt.running AS r ON r.id = c.call_id
WHERE r.worker = %(worker)s
UNION ALL
SELECT 'waiting', c.call_id, NULL, c.who
FROM forecourt.cancellations AS c
WHERE EXISTS (SELECT FROM forecourt.ready WHERE id = c.call_id)
   OR EXISTS (SELECT FROM forecourt.scheduled WHERE id = c.call_id)
UNION ALL
SELECT 'worker',
       NULL,
       CASE
           WHEN EXISTS (SELECT FROM forecourt.control_requests AS w WHERE w.name = 'restart' AND w.at > k.started_at) THEN 'restart'
           ELSE k.asked
       END,
       coalesce(k.asked_by, '')
FROM forecourt.workers AS k
WHERE k.id = %(worker)s
UNION ALL
SELECT 'due', NULL, NULL, NULL
WHERE (SELECT run_at FROM forecourt.scheduled ORDER BY run_at LIMIT 1) <= now()
"""


class Requests(NamedTuple):
    """`unwanted`: the calls that a worker runs and should end. `waiting`: the calls that are to be
    ended and wait, wherever, each with whoever asked. `itself`: what is asked of the worker, and by
    whom; None when it has no row any more. `is_due`: whether a call's time has come."""

    unwanted: set[int]
    waiting: dict[int, str]
    itself: tuple[Asked | None, str] | None
    is_due: bool


def restart(tx: Connection[Any]) -> None:
    """Ask every worker that has started by now to end in order."""
    tx.execute(RESTART)


def ask(tx: Connection[Any], worker: int, what: Literal["quiet", "stop"] | None, who: str) -> bool:
    """Ask one worker to claim nothing more, to end in order, or, with None, to go on. False when it
    is asked so already, is to stop, or is gone."""
    return tx.execute(ASK, {"worker": worker, "what": what, "who": who}).rowcount == 1


def asked_of(tx: Connection[Any], worker: int) -> Requests:
    """What this worker should do now."""
    found = Requests(set(), {}, None, is_due=False)
    for what, call, asked, who in send(tx, ASKED_OF, worker=worker):
        match what:
            case "unwanted":
                found.unwanted.add(int(call))
            case "waiting":
                found.waiting[int(call)] = who
            case "worker":
                found = found._replace(itself=(asked, who))
            case _:
                found = found._replace(is_due=True)
    return found
