"""How much a slot claims."""

import os

from forecourt.jobs.outcome import FINISHED
from forecourt.slots.completion import Completion
from forecourt.slots.pace import Pace
from forecourt.store.ready import Claimed

CALL = Claimed(5, 50, None, "job", "queue", 0, 0, "{}", "{}", 0.0, 0.0)
CORES = os.cpu_count() or 1


def settled(slots: int, seconds: float) -> Pace:
    """One whose calls have taken so many seconds each."""
    pace = Pace(slots)
    for _ in range(20):
        pace.learn([Completion(CALL, FINISHED, seconds)] * 50)
    return pace


def test_rounds_grow_in_a_backlog_by_as_much_as_slots_share_a_core_and_no_longer_than_that() -> None:
    crowded, roomy = settled(3 * CORES, 0.00199), settled(CORES, 0.00199)
    sizes = []
    for pace in (crowded, roomy):
        for found in (10, 10, 10, 10, 9):
            sizes.append(pace.calls())
            pace.claimed(10, found)
        sizes.append(pace.calls())
    assert sizes == [10, 20, 30, 30, 30, 10, *[10] * 6]


def test_no_number_of_slots_makes_a_round_longer_than_four_times() -> None:
    pace = settled(100 * CORES, 0.00199)
    for _ in range(10):
        pace.claimed(1, 1)
    assert pace.calls() == 40


def test_a_call_that_takes_long_is_claimed_alone() -> None:
    pace = settled(CORES, 0.5)
    assert pace.calls() == 1


def test_one_call_that_waited_does_not_make_the_next_rounds_small() -> None:
    pace = settled(CORES, 0.000499)
    pace.learn([Completion(CALL, FINISHED, 0.005)])
    assert pace.calls() > 20
    for _ in range(20):
        pace.learn([Completion(CALL, FINISHED, 0.005)])
    assert pace.calls() < 6
