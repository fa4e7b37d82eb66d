"""What a worker with nothing to do costs: the CPU of all its processes, and of its connections'
processes in PostgreSQL.
"""

import time

import psycopg

from benchmarks.ground import Ground
from benchmarks.measure import Figures, Row, Scale, at_most
from benchmarks.ourselves import ourselves
from benchmarks.queues import warmed
from benchmarks.worker import cpu

SLOTS = 8
SECONDS = 20
WARM = 100

BACKENDS = """
SELECT pid
FROM pg_stat_activity
WHERE datname = current_database()
  AND application_name LIKE 'forecourt %'
"""


def measure(ground: Ground, scale: Scale) -> list[Row]:
    """In per cent of one core, after every slot has worked and rested."""
    measured = [_shares(ground, scale.of(SECONDS)) for _ in range(scale.rounds)]
    worker, server = (Figures(tuple(shares), " %") for shares in zip(*measured, strict=True))
    detail = f"of a core, over {scale.of(SECONDS)} s; no peer; its connections in PostgreSQL another {server}"
    return [at_most(f"CPU of an idle worker, {SLOTS} slots", 0.3, worker, detail)]


def _shares(ground: Ground, seconds: int) -> tuple[float, float]:
    with (
        ourselves(ground) as queue,
        psycopg.connect(queue.url, autocommit=True) as looking,
        queue.workers(SLOTS) as workers,
    ):
        warmed(queue, workers, WARM)
        backends = {pid: cpu(pid) for (pid,) in looking.execute(BACKENDS)}
        assert backends, "the worker has no connection"
        used = workers.cpu()
        time.sleep(seconds)
        used = workers.cpu() - used
        still = [pid for (pid,) in looking.execute(BACKENDS) if pid in backends]
        server = sum(cpu(pid) - backends[pid] for pid in still)
    return 100 * used / seconds, 100 * server / seconds
