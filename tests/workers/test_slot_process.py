"""What a supervisor does about what a slot runs, by the clock of the slot's page."""

from pathlib import Path

from forecourt.jobs.outcome import TimedOut
from forecourt.slots.holding import Holding
from forecourt.slots.markers import Markers
from forecourt.slots.messages import Death
from forecourt.slots.permits import Permits
from forecourt.store.ready import Claimed
from forecourt.workers.slot_process import SlotProcess

MS = 1_000_000


def test_what_waits_for_50_ms_is_taken_back_and_what_is_past_its_deadline_is_killed(tmp_path: Path) -> None:
    markers = Markers(tmp_path / "marks-1-1", 1)
    [page] = markers.pages
    slot = SlotProcess(0, page)
    holding = Holding(page, Permits(*slot.descriptors[:2]), {"slow": 10.0})
    first, second, third = [Claimed(id, 10 * id, None, "slow", "queue", 0, 0, "{}", "{}", 0.0, 0.0) for id in (1, 2, 3)]
    holding.hold(list(enumerate([first, second, third])))
    assert holding.take_permit(first)
    holding.mark(0, 1, "slow")
    began = page.running()[0].began
    assert slot.seconds_until_due(began) == 0.05
    assert slot.watch(began + 50 * MS) == ([], [])
    assert slot.watch(began + 50 * MS + 1) == ([(2, 20), (3, 30)], [])
    assert not holding.take_permit(second)
    assert slot.seconds_until_due(began) == 10
    slot.watch(began + 10_000 * MS - 1)
    assert slot.cause is None
    slot.watch(began + 10_000 * MS)
    assert slot.cause == Death(TimedOut(10.0), frozenset([10]))
    slot.close()
    markers.remove()
