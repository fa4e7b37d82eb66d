"""How many calls a worker's slots may claim: as many as they like, a share of what --max-jobs has
left, or none while the worker is quiet.
"""

from collections.abc import Sequence

from forecourt.slots import markers
from forecourt.workers.slot_process import SlotProcess

PORTION = 100
"""Into so many portions the calls of --max-jobs are divided, since what one slot may claim, another
may not.
"""


class Allowance:
    """`limit`: calls that the worker may run in all, 0 for any number."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._unspent = 0
        self._slots: Sequence[SlotProcess] = ()
        self._withheld: list[int] = []
        self.is_quiet = False

    def begin(self, slots: Sequence[SlotProcess], ended: int) -> None:
        """These slots begin, on new pages, after so many calls have ended."""
        self._slots = slots
        self._unspent = max(0, self._limit - ended)
        for slot in slots:
            slot.page.words[markers.ALLOWED] = 0 if self._limit else -1
        self._withheld = [0] * len(slots)
        if self.is_quiet:
            self._exchange()

    def is_open(self, slot: SlotProcess) -> bool:
        """Whether it may claim anything."""
        words = slot.page.words
        return not self.is_quiet and words[markers.ALLOWED] != words[markers.CLAIMED]

    def give_back(self, calls: int) -> None:
        """What a slot claimed and will not run, another may."""
        self._unspent += calls

    def grant(self) -> None:
        """Let slots that have used up what they were allowed have more, as far as there is any."""
        if not self._limit or self.is_quiet:
            return
        portion = max(1, self._limit // PORTION)
        for slot in self._slots:
            words = slot.page.words
            if self._unspent and slot.is_alive and words[markers.ALLOWED] <= words[markers.CLAIMED]:
                more = min(portion, self._unspent)
                self._unspent -= more
                words[markers.ALLOWED] += more
                slot.may_go_on = True
            if slot.may_go_on and slot.is_idle:  # perhaps only now: it did not see it before it went to rest
                slot.may_go_on = False
                slot.wake()

    def quiet(self, wanted: bool) -> bool:
        """Have no slot claim any more, or let all go on. Returns whether that is new."""
        if wanted == self.is_quiet:
            return False
        self.is_quiet = wanted
        self._exchange()
        return True

    def _exchange(self) -> None:
        """What the slots may claim, 0 while it is quiet, and what they may when it is not."""
        for number, slot in enumerate(self._slots):
            words = slot.page.words
            words[markers.ALLOWED], self._withheld[number] = self._withheld[number], words[markers.ALLOWED]
