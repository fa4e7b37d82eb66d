"""Counts a minute, queue, job and worker: what metrics and charts are made of. No job needs to run
to keep them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from psycopg import Connection

BOUNDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600)
"""Upper bounds of the histograms, in seconds; one more bucket holds what is above."""

MOST_SLOTS = 512
"""Of a worker."""

ADD = """
INSERT INTO forecourt.minutes AS m (
    minute, worker, queue, job, finished, discarded, retried, failed, released, late, run_seconds, wait_seconds,
    run_buckets, wait_buckets
)
VALUES (
    date_trunc('minute', now()), %(worker)s, %(queue)s, %(job)s, %(finished)s, %(discarded)s, %(retried)s, %(failed)s,
    %(released)s, %(late)s, %(run_seconds)s, %(wait_seconds)s, %(run_buckets)s::bigint[], %(wait_buckets)s::bigint[]
)
ON CONFLICT (minute, queue, job, worker) DO UPDATE
SET finished = m.finished + excluded.finished,
    discarded = m.discarded + excluded.discarded,
    retried = m.retried + excluded.retried,
    failed = m.failed + excluded.failed,
    released = m.released + excluded.released,
    late = m.late + excluded.late,
    run_seconds = m.run_seconds + excluded.run_seconds,
    wait_seconds = m.wait_seconds + excluded.wait_seconds,
    run_buckets = forecourt.add_buckets(m.run_buckets, excluded.run_buckets),
    wait_buckets = forecourt.add_buckets(m.wait_buckets, excluded.wait_buckets)
"""


@dataclass(slots=True)
class Tally:
    """What happened to one job's calls since the last flush."""

    finished: int = 0
    discarded: int = 0
    retried: int = 0
    failed: int = 0
    released: int = 0
    late: int = 0
    run_seconds: float = 0.0
    wait_seconds: float = 0.0
    run_buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    wait_buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))


def writer(worker: int, slot: int) -> int:
    """Whose rows they are: each slot has its own, so that no two wait for each other."""
    return worker * MOST_SLOTS + slot


def add(tx: Connection[Any], writer: int, tallies: Mapping[tuple[str, str], Tally]) -> None:
    """Add tallies by (queue, job) to the current minute of the database's clock."""
    for (queue, job), tally in tallies.items():
        tx.execute(
            ADD,
            {"worker": writer, "queue": queue, "job": job} | {name: getattr(tally, name) for name in Tally.__slots__},
        )
