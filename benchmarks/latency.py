"""How long an idle worker takes to begin: from before the dispatch, its durable commit included, to
the function's first line.
"""

import math
import statistics
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from benchmarks.bare_listener import BareListener, bare_listener
from benchmarks.contest import contest
from benchmarks.ground import Ground
from benchmarks.measure import Figures, Row, Scale, at_most
from benchmarks.opponents import opponent, present
from benchmarks.ourselves import ourselves
from benchmarks.queues import Begun, delays

SAMPLES = 100
PROCESSES = 2
BARE = BareListener.name


def measure(ground: Ground, scale: Scale) -> list[Row]:
    """One call at a time, with pauses of 20 to 60 ms between them; each round's median, and its
    99th percentile.
    """
    slowest: dict[str, list[float]] = {"Forecourt": [], BARE: []}

    def middle(name: str, ready: Callable[[], AbstractContextManager[Begun]], processes: int) -> float:
        with ready() as queue:
            found = delays(queue, scale.of(SAMPLES), processes)
        slowest.setdefault(name, []).append(_percentile(found, 0.99))
        return statistics.median(found)

    sides = {
        "Forecourt": partial(middle, "Forecourt", partial(ourselves, ground), PROCESSES),
        BARE: partial(middle, BARE, partial(bare_listener, ground), 1),
    }
    peers = {
        peer.name: partial(middle, peer.name, partial(opponent, ground, peer), PROCESSES) for peer in present(scale)
    }
    found = contest(scale, sides, peers, " ms", least=True)
    p99 = {name: Figures(tuple(values), " ms") for name, values in slowest.items()}
    commits = "a dispatch and a claim, each one statement and one durable commit, by one listener"
    return [
        at_most(
            "idle latency, p50", 1.25, found.ratio("Forecourt", BARE), f"{found.listed()}; the loop: {commits}", BARE
        ),
        found.beside_best_without_goal("idle latency, p50, beside peers", "Forecourt"),
        at_most(
            "idle latency, p99",
            5,
            p99["Forecourt"],
            f"{scale.of(SAMPLES)} calls a round; {BARE} {p99[BARE]}",
        ),
    ]


def _percentile(values: list[float], part: float) -> float:
    """The smallest value that so many are not above."""
    return sorted(values)[math.ceil(part * len(values)) - 1]
