"""What more slots than cores cost: calls that do nothing, with eight slots, with sixteen, and with
two workers of four, each as a share of what two slots do in the same round."""

from functools import partial

from benchmarks.contest import contest
from benchmarks.ground import Ground
from benchmarks.measure import Row, Scale
from benchmarks.ourselves import ourselves

CALLS = 200_000
TWO = "2 slots"


def measure(ground: Ground, scale: Scale) -> list[Row]:
    """Calls a second that left their row in `done`."""

    def rate(slots: int, workers: int) -> float:
        with ourselves(ground) as queue:
            return queue.drained("nothing", scale.of(CALLS), slots, workers=workers)

    sides = {
        TWO: partial(rate, 2, 1),
        "8 slots": partial(rate, 8, 1),
        "16 slots": partial(rate, 16, 1),
        "2 workers of 4 slots": partial(rate, 4, 2),
    }
    found = contest(scale, sides, {}, "/s")
    goals = {"8 slots": 0.8, "16 slots": 0.65, "2 workers of 4 slots": 0.8}
    return [found.beside(f"no-op jobs, {side}", goal, side, TWO) for side, goal in goals.items()]
