"""How long an idle worker takes to begin: from before the dispatch, its durable commit included, to the function's first line."""

import math
import statistics
from functools import partial

from benchmarks.contest import contest
from benchmarks.ground import Ground
from benchmarks.measure import Figures, Row, Scale, at_most, ratios
from benchmarks.opponents import Peer, opponent, present
from benchmarks.ourselves import ourselves
from benchmarks.queues import delays

SAMPLES = 100
PROCESSES = 2


def measure(ground: Ground, scale: Scale) -> list[Row]:
    """One call at a time, with pauses of 20 to 60 ms between them; each round's median, and its 99th percentile."""
    slowest: list[float] = []

    def ours() -> float:
        with ourselves(ground) as queue:
            found = delays(queue, scale.of(SAMPLES), PROCESSES)
        slowest.append(_percentile(found, 0.99))
        return statistics.median(found)

    def theirs(peer: Peer) -> float:
        with opponent(ground, peer) as queue:
            return statistics.median(delays(queue, scale.of(SAMPLES), PROCESSES))

    found = contest(scale, ours, {peer.name: partial(theirs, peer) for peer in present(scale)}, least=True)
    detail = found.listed(" ms")
    if found.best is None:
        middle = Row("idle latency, p50", "< 1 × the quickest peer", "no peer", None, detail)
    else:
        ratio = ratios(found.ours, found.theirs[found.best])
        middle = Row("idle latency, p50", f"< 1 × {found.best}", str(ratio), ratio.median < 1, detail)
    return [
        middle,
        at_most("idle latency, p99", 5, Figures(tuple(slowest), " ms"), f"{scale.of(SAMPLES)} calls a round"),
    ]


def _percentile(values: list[float], part: float) -> float:
    """The smallest value that so many are not above."""
    return sorted(values)[math.ceil(part * len(values)) - 1]
