"""Calls that wait 50 ms for something outside: how near the slots come to never waiting for the queue."""

from benchmarks.ground import Ground
from benchmarks.measure import Figures, Row, Scale, at_least
from benchmarks.ourselves import ourselves

SLOTS = 4
THREADS = 8
A_SECOND = 20
"""How many calls of 50 ms fit into a second, one after the other."""

SECONDS = 3
"""How long a round takes at best."""


def measure(ground: Ground, scale: Scale) -> list[Row]:
    """One call a slot, and eight calls a slot in threads."""
    return [
        _row(ground, scale, "wait", SLOTS, f"jobs that wait 50 ms, {SLOTS} slots"),
        _row(
            ground, scale, "wait_in_threads", SLOTS * THREADS, f"jobs that wait 50 ms, {SLOTS} slots, threads={THREADS}"
        ),
    ]


def _row(ground: Ground, scale: Scale, job: str, at_once: int, work: str) -> Row:
    ideal = at_once * A_SECOND
    rates = []
    for _ in range(scale.rounds):
        with ourselves(ground) as queue:
            rates.append(queue.drained(job, scale.of(ideal * SECONDS), SLOTS))
    reached = Figures(tuple(rate / ideal for rate in rates), "×")
    return at_least(work, 0.9, reached, f"{Figures(tuple(rates), '/s')}; ideal {ideal}/s", "ideal")
