"""Calls that share their commits while all of them update the same ten rows: what they wait for
each other must not cost more than the commits that they save."""

from functools import partial

from benchmarks.contest import contest
from benchmarks.exactly_once import CALLS, CONNECTION, CONNECTIONS_TOGETHER, SESSION, SESSIONS_TOGETHER, Way
from benchmarks.ground import Ground
from benchmarks.measure import Row, Scale
from benchmarks.ourselves import ourselves

ROWS = 10


def measure(ground: Ground, scale: Scale) -> list[Row]:
    """In groups beside one by one, with two slots and with eight."""
    pairs = ((SESSIONS_TOGETHER, SESSION), (CONNECTIONS_TOGETHER, CONNECTION))
    return [_row(ground, scale, slots, *pair) for slots in (2, 8) for pair in pairs]


def _row(ground: Ground, scale: Scale, slots: int, together: Way, alone: Way) -> Row:
    calls = scale.of(CALLS)

    def rate(way: Way) -> float:
        with ourselves(ground, listings=ROWS) as queue:
            found = queue.drained(way.job, calls, slots)
            assert queue.views() == calls, f"{queue.views()} of {calls} updates"
        return found

    found = contest(scale, {"in groups": partial(rate, together), "one by one": partial(rate, alone)}, {}, "/s")
    return found.beside(f"{together.work}, all on {ROWS} rows, {slots} slots", 1, "in groups", "one by one")
