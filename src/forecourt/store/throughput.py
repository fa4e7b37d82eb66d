"""How many calls ended each minute, by queue: what lines are drawn of."""

from typing import Any

from psycopg import Connection

BY_QUEUE = """
SELECT queue,
       (extract(epoch FROM date_trunc('minute', now()) - minute) / 60)::integer AS ago,
       sum(finished + discarded + failed)::bigint AS ended
FROM forecourt.minutes
WHERE minute > date_trunc('minute', now()) - make_interval(mins => %(minutes)s)
  AND minute <= now()
GROUP BY queue, minute
"""


def by_queue(tx: Connection[Any], minutes: int = 60) -> dict[str, list[int]]:
    """For each queue the calls that ended in each of the last so many minutes, oldest first."""
    lines: dict[str, list[int]] = {}
    for queue, ago, ended in tx.execute(BY_QUEUE, {"minutes": minutes}):
        lines.setdefault(queue, [0] * minutes)[minutes - 1 - ago] = ended
    return lines
