"""What a slot holds: the calls that it claimed, whether each may begin, is running or has ended, on
its page and in its permits, where the supervisor sees it and where it outlives the slot.
"""

import time
from collections import deque
from collections.abc import Mapping, Sequence

from forecourt.jobs.outcome import FINISHED, Finished
from forecourt.slots import markers
from forecourt.slots.completion import Completion
from forecourt.slots.inheritance import entry
from forecourt.slots.markers import Page
from forecourt.slots.permits import PERMIT, Permits, refuse_foreign
from forecourt.store.ready import Claimed


class Holding:
    """The calls of one slot. `ended` are those whose ends are not written yet; `timeouts` are the
    jobs', in seconds.
    """

    def __init__(self, page: Page, permits: Permits, timeouts: Mapping[str, float | None]) -> None:
        self.page = page
        self.ended: deque[Completion] = deque()
        self._permits = permits
        self._timeouts = timeouts

    def tokens(self) -> set[int]:
        """The claims that it knows of. May be called from the thread that only writes."""
        return {marked.token for marked in self.page.held()} | {done.call.token for done in self.ended.copy()}

    def hold(self, calls: Sequence[tuple[int, Claimed]]) -> None:
        """Note what was claimed, and permit it to begin, in this order."""
        self.note_held(calls)
        self.permit([call for _, call in calls])

    def note_held(self, calls: Sequence[tuple[int, Claimed]]) -> None:
        """Note what was claimed, each call in its row."""
        page = self.page
        for row, call in calls:
            page.open(row, call.id, call.token)
        page.words[markers.HELD] = max([page.words[markers.HELD], *[row + 1 for row, _ in calls]])

    def permit(self, calls: Sequence[Claimed]) -> None:
        """Permit calls to begin, in this order."""
        if calls:
            self._permits.grant([(call.id, call.token) for call in calls])

    def has_permits(self) -> bool:
        """Whether any call that was permitted has neither begun nor been taken back."""
        return self._permits.are_left()

    def take_permit(self, call: Claimed) -> bool:
        """Whether the call is still this slot's to begin."""
        permit = self._permits.take()
        if permit and permit != PERMIT.pack(call.id, call.token):
            refuse_foreign()
        return bool(permit)

    def begin(self, row: int, count: int, job: str) -> int:
        """Take permits for calls that begin together, and mark them. Returns how many there
        were.
        """
        permits = len(self._permits.take(count)) // PERMIT.size
        if permits:
            self.mark(row, permits, job)
        return permits

    def begin_beside(self, first: int, n: int, job: str) -> bool:
        """Begin the next call of a group: those before it have run, and are not over."""
        if not self._permits.take():
            return False
        self.mark(first + n, 1, job)
        self.page.words[markers.LOW] = first
        for before in range(first, first + n):
            self.page.words[markers.HEADER + before * markers.WIDTH + markers.DEADLINE] = 0
        return True

    def mark(self, row: int, count: int, job: str) -> None:
        """Note that calls begin."""
        page = self.page
        now = time.monotonic_ns()
        timeout = self._timeouts.get(job)
        deadline = 0 if timeout is None else now + int(timeout * 1e9)
        for n in range(row, row + count):
            page.begin(n, now, deadline)
        page.words[markers.LOW] = row
        page.words[markers.HIGH] = row + count

    def take_back(self, calls: Sequence[Claimed]) -> Sequence[Claimed]:
        """Those of the claimed calls whose permits nobody else has taken; they may not begin until
        they are held anew.
        """
        mine = {token for _, token in self._permits.take_back()}
        return [call for call in calls if call.token in mine]

    def end(self, row: int, completion: Completion) -> None:
        """Keep an outcome until the next round, and on the page."""
        outcome = completion.outcome
        page = self.page
        state = markers.FINISHED
        if outcome is not FINISHED or completion.log:
            if isinstance(outcome, Finished) and outcome.committed:
                state = markers.COMMITTED
            else:
                state = markers.JOURNALED if page.write(entry(completion)) else markers.OPEN
        page.end(row, state, int(completion.seconds * 1e9))
        page.words[markers.ENDED] += 1
        self.ended.append(completion)
        page.words[markers.UNWRITTEN] = len(self.ended)

    def end_unbegun(self, completion: Completion) -> None:
        """Keep the outcome of a call that must not begin."""
        self.ended.append(completion)
        self.page.words[markers.ENDED] += 1

    def note_written(self) -> None:
        """Note how many ends are left to be written."""
        self.page.words[markers.UNWRITTEN] = len(self.ended)
