"""Calls that wait 50 ms for something outside: how near the slots come to never waiting for the
queue.
"""

from functools import partial

from benchmarks.contest import contest
from benchmarks.ground import Ground
from benchmarks.measure import Figures, Row, Scale, at_least
from benchmarks.opponents import Peer, opponent, present
from benchmarks.ourselves import ourselves
from benchmarks.queues import drained

SLOTS = 4
THREADS = 8
CONCURRENCY = 100
A_SECOND = 20
"""How many calls of 50 ms fit into a second, one after the other."""

SECONDS = 3
"""How long a round takes at best."""


def measure(ground: Ground, scale: Scale) -> list[Row]:
    """One call a slot, eight calls a slot in threads, and a hundred on one slot's event loop."""
    return [
        _row(ground, scale, "wait", SLOTS, f"jobs that wait 50 ms, {SLOTS} slots"),
        _row(
            ground, scale, "wait_in_threads", SLOTS * THREADS, f"jobs that wait 50 ms, {SLOTS} slots, threads={THREADS}"
        ),
        *_on_one_loop(ground, scale),
    ]


def _row(ground: Ground, scale: Scale, job: str, at_once: int, work: str) -> Row:
    ideal = at_once * A_SECOND
    rates = []
    for _ in range(scale.rounds):
        with ourselves(ground) as queue:
            rates.append(queue.drained(job, scale.of(ideal * SECONDS), SLOTS))
    reached = Figures(tuple(rate / ideal for rate in rates), "×")
    return at_least(work, 0.9, reached, f"{Figures(tuple(rates), '/s')}; ideal {ideal}/s", "ideal")


def _on_one_loop(ground: Ground, scale: Scale) -> list[Row]:
    """Beside the peers whose jobs are coroutines, in one process with a hundred at once as well."""
    ideal = CONCURRENCY * A_SECOND
    calls = scale.of(ideal * SECONDS)

    def ours() -> float:
        with ourselves(ground) as queue:
            return queue.drained("wait_async", calls, 1)

    def theirs(peer: Peer) -> float:
        with opponent(ground, peer) as queue:
            return drained(queue, "wait", calls, 1)

    waiting = [peer for peer in present(scale) if peer.waits]
    peers = {peer.name: partial(theirs, peer) for peer in waiting}
    found = contest(scale, {"Forecourt": ours}, peers, "/s", finalists=len(peers))
    reached = Figures(tuple(rate / ideal for rate in found.ours["Forecourt"].values), "×")
    work = f"async jobs that wait 50 ms, one slot, concurrency={CONCURRENCY}"
    return [
        at_least(work, 0.9, reached, f"{found.listed()}; ideal {ideal}/s", "ideal"),
        found.beside_best_without_goal(f"{work}, beside peers", "Forecourt"),
    ]
