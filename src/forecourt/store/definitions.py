"""What the code declares about its jobs, for those who dispatch from SQL."""

from collections.abc import Sequence
from typing import Any

from psycopg import Connection

DECLARE = """
INSERT INTO forecourt.job_definitions AS d (name, queue, priority, parameters, policy)
SELECT name, queue, priority, parameters::jsonb, policy::jsonb
FROM unnest(%(names)s::text[], %(queues)s::text[], %(priorities)s::smallint[], %(parameters)s::text[], %(policies)s::text[])
     AS given(name, queue, priority, parameters, policy)
ORDER BY name
ON CONFLICT (name) DO UPDATE
SET queue = excluded.queue,
    priority = excluded.priority,
    parameters = excluded.parameters,
    policy = excluded.policy,
    declared_at = now()
WHERE (d.queue, d.priority, d.parameters, d.policy)
      IS DISTINCT FROM (excluded.queue, excluded.priority, excluded.parameters, excluded.policy)
"""


# Names of arguments that are not shown, by job.
MASKS = """
SELECT name, ARRAY(SELECT jsonb_array_elements_text(policy -> 'mask'))
FROM forecourt.job_definitions
WHERE policy ? 'mask'
"""


UNSERVED = """
SELECT d.queue, array_agg(d.name ORDER BY d.name)
FROM forecourt.job_definitions AS d
WHERE d.queue <> ALL (%(served)s::text[])
  AND NOT EXISTS (SELECT FROM forecourt.workers AS w WHERE d.queue = ANY (w.queues))
GROUP BY d.queue
ORDER BY d.queue
"""


def unserved(tx: Connection[Any], served: Sequence[str]) -> list[tuple[str, list[str]]]:
    """The queues that are neither among the served ones nor any worker's, each with the jobs that
    are on it.
    """
    return tx.execute(UNSERVED, {"served": list(served)}).fetchall()


def masks(tx: Connection[Any]) -> dict[str, list[str]]:
    """What each job declares as secret among its arguments, where it declares something."""
    return dict(tx.execute(MASKS).fetchall())


def declare(tx: Connection[Any], definitions: Sequence[tuple[str, str, int, str, str]]) -> int:
    """Record (name, queue, priority, parameters, policy), the last two as JSON text. Returns how
    many were new or changed.
    """
    names, queues, priorities, parameters, policies = (
        [list(column) for column in zip(*definitions, strict=True)] if definitions else ([], [], [], [], [])
    )
    return tx.execute(
        DECLARE,
        {
            "names": names,
            "queues": queues,
            "priorities": priorities,
            "parameters": parameters,
            "policies": policies,
        },
    ).rowcount
