"""Memory of four worker processes and whatever starts them: idle, beside the peers, and after a hundred thousand calls.

Proportional set size: a page that processes share counts once among them. All have run every slot before, so that nothing is
left to be loaded. The servers (PostgreSQL, Valkey) are not counted.
"""

import time
from functools import partial

from benchmarks.contest import contest
from benchmarks.ground import Ground
from benchmarks.measure import Figures, Row, Scale, at_most, ratios
from benchmarks.opponents import Peer, opponent, present
from benchmarks.ourselves import Ourselves, ourselves
from benchmarks.queues import Queue, marked
from benchmarks.worker import Workers

PROCESSES = 4
WARM = 60
CALLS = 100_000
REST = 1.0
"""Seconds after which a worker is idle."""


def measure(ground: Ground, scale: Scale) -> list[Row]:
    """MB, and how much more of them after so many calls."""

    def ours() -> float:
        with ourselves(ground) as queue:
            return _idle(queue)

    def theirs(peer: Peer) -> float:
        with opponent(ground, peer) as queue:
            return _idle(queue)

    work = f"memory of an idle worker, {PROCESSES} processes"
    found = contest(scale, ours, {peer.name: partial(theirs, peer) for peer in present(scale)}, least=True)
    if found.best is None:
        idle = Row(work, "≤ 1 × the leanest peer", "no peer", None, found.listed(" MB"))
    else:
        ratio = ratios(found.ours, found.theirs[found.best])
        idle = Row(work, f"≤ 1 × {found.best}", str(ratio), ratio.median <= 1, found.listed(" MB"))
    with ourselves(ground) as queue:
        growth, detail = _growth(queue, scale.of(CALLS))
    return [idle, at_most(f"memory after {scale.of(CALLS):,} calls", 1.1, Figures((growth,), "×"), detail)]


def _idle(queue: Queue) -> float:
    with queue.workers(PROCESSES) as workers:
        return _after(queue, workers, WARM)


def _growth(queue: Ourselves, calls: int) -> tuple[float, str]:
    """Of a worker that has done a tenth of the calls, while it did the others."""
    with queue.workers(PROCESSES) as workers:
        before = _after(queue, workers, max(calls // 10, WARM))
        after = _after(queue, workers, calls)
    return after / before, f"{before:.1f} MB after a tenth of them, {after:.1f} MB after all"


def _after(queue: Queue, workers: Workers, calls: int) -> float:
    """MB when so many more calls are done and the worker has rested."""
    already = marked(queue)
    queue.fill("nothing", calls)
    workers.until(lambda: marked(queue) >= already + calls, within=120, every=0.02)
    time.sleep(REST)
    return workers.memory()
