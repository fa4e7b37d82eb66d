"""What a supervisor does about what a slot runs, by the clock of the slot's page."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from forecourt.jobs.outcome import Cancelled, TimedOut
from forecourt.slots.holding import Holding
from forecourt.slots.markers import Markers
from forecourt.slots.messages import Death
from forecourt.slots.permits import Permits
from forecourt.store.ready import Claimed
from forecourt.workers.slot_process import SlotProcess

MS = 1_000_000
CALLS = [Claimed(id, 10 * id, None, "slow", "queue", 0, 0, "{}", "{}", 0.0, 0.0) for id in (1, 2, 3)]


@pytest.fixture
def slot(tmp_path: Path) -> Iterator[SlotProcess]:
    markers = Markers(tmp_path / "marks-1-1", 1)
    slot = SlotProcess(0, markers.pages[0])
    yield slot
    slot.close()
    markers.remove()


def holding_of(slot: SlotProcess) -> Holding:
    """What the slot's own process does, done here."""
    holding = Holding(slot.page, Permits(*slot.descriptors[:2]), {"slow": 10.0})
    holding.hold(list(enumerate(CALLS)))
    return holding


def test_a_call_that_runs_with_others_in_a_batch_is_not_ended_by_an_operator_and_one_by_itself_is(
    slot: SlotProcess,
) -> None:
    holding = holding_of(slot)
    assert holding.begin(0, 2, "slow") == 2
    assert slot.cancel({1}) == []
    assert slot.cause is None
    assert holding.begin(2, 1, "slow") == 1
    assert slot.cancel({3}) == []
    assert slot.cause == Death(Cancelled(), frozenset([30]))


def test_what_waits_for_50_ms_is_taken_back_and_what_is_past_its_deadline_is_killed(slot: SlotProcess) -> None:
    holding, page = holding_of(slot), slot.page
    assert holding.take_permit(CALLS[0])
    holding.mark(0, 1, "slow")
    began = page.running()[0].began
    assert slot.seconds_until_due(began) == 0.05
    assert slot.watch(began + 50 * MS) == ([], [])
    assert slot.watch(began + 50 * MS + 1) == ([(2, 20), (3, 30)], [])
    assert not holding.take_permit(CALLS[1])
    assert slot.seconds_until_due(began) == 10
    slot.watch(began + 10_000 * MS - 1)
    assert slot.cause is None
    slot.watch(began + 10_000 * MS)
    assert slot.cause == Death(TimedOut(10.0), frozenset([10]))


def test_pages_for_which_there_is_no_room_are_named_and_leave_no_file_behind(tmp_path: Path) -> None:
    path = tmp_path / "run" / "marks-1-1"
    with pytest.raises(OSError, match=r"2,\d{3},\d{3},\d{3},\d{3} bytes are needed: '.*marks-1-1'"):
        Markers(path, 10_000_000)
    assert list(path.parent.iterdir()) == []
