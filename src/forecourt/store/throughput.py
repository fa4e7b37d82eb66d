"""How many calls ended each minute, by queue, and how many failed: what lines are drawn of."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from psycopg import Connection

BY_QUEUE = """
SELECT queue,
       (extract(epoch FROM date_trunc('minute', now()) - minute) / 60)::integer AS ago,
       sum(finished + discarded + failed)::bigint AS ended,
       sum(failed)::bigint AS failed
FROM forecourt.minutes
WHERE minute > date_trunc('minute', now()) - make_interval(mins => %(minutes)s)
  AND minute <= now()
GROUP BY queue, minute
"""

OF_QUEUE = """
SELECT coalesce(sum(finished + discarded), 0)::bigint AS done,
       coalesce(sum(retried), 0)::bigint AS again,
       coalesce(sum(failed), 0)::bigint AS failed
FROM forecourt.minutes
WHERE queue = %(queue)s
  AND minute > now() - make_interval(mins => %(minutes)s)
"""


class Pace(NamedTuple):
    """How many of a queue's tries ended well, are tried again, or failed for good."""

    done: int
    again: int
    failed: int


@dataclass(slots=True)
class Line:
    """The calls of a queue that ended in each of some minutes, the oldest first, and how many of
    all these `failed` for good.
    """

    ended: list[int] = field(default_factory=list)
    failed: int = 0

    @property
    def total(self) -> int:
        return sum(self.ended)

    @property
    def failed_percent(self) -> float | None:
        """None where nothing ended."""
        return 100 * self.failed / self.total if self.total else None


def pace(tx: Connection[Any], queue: str, minutes: int) -> Pace:
    """Of the last so many minutes."""
    return Pace(*tx.execute(OF_QUEUE, {"queue": queue, "minutes": minutes}).fetchall()[0])


def by_queue(tx: Connection[Any], minutes: int = 60) -> dict[str, Line]:
    """The line of each queue over the last so many minutes, if anything ended."""
    lines: dict[str, Line] = {}
    for queue, ago, ended, failed in tx.execute(BY_QUEUE, {"minutes": minutes}):
        line = lines.setdefault(queue, Line([0] * minutes))
        line.ended[minutes - 1 - ago] = ended
        line.failed += failed
    return lines
