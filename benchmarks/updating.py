"""The marketplace's view counter: our calls become one UPDATE for many, a peer's do one each. The
counts must be exact.
"""

from functools import partial

from benchmarks.contest import contest
from benchmarks.ground import Ground
from benchmarks.measure import Row, Scale
from benchmarks.opponents import Peer, opponent, present
from benchmarks.ourselves import ourselves
from benchmarks.queues import drained

CALLS = 100_000
PROCESSES = 2


def measure(ground: Ground, scale: Scale) -> list[Row]:
    """Views counted a second, of fifty listings, by two worker processes."""

    def ours() -> float:
        count = scale.of(CALLS)
        with ourselves(ground) as queue:
            rate = queue.drained("increment_views", count, PROCESSES)
            assert queue.views() == count, f"{queue.views()} of {count} views"
        return rate

    def theirs(peer: Peer) -> float:
        count = scale.of(peer.updates)
        with opponent(ground, peer) as queue:
            rate = drained(queue, "increment_views", count, PROCESSES)
            assert queue.views() == count, f"{peer.name}: {queue.views()} of {count} views"
        return rate

    peers = {peer.name: partial(theirs, peer) for peer in present(scale)}
    found = contest(scale, {"Forecourt": ours}, peers, "/s")
    return [found.beside_best("increment_views_count", 18, "Forecourt")]
