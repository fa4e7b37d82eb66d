"""How many calls a round claims: about 20 ms of work, so that its transaction costs little and
nothing waits long behind another."""

import os
from collections.abc import Sequence

from forecourt.slots.completion import Completion
from forecourt.slots.markers import MOST_CALLS

AHEAD = 0.02
"""Seconds of work in a round."""

FIRST_GUESS = 0.005
"""Seconds that a call is expected to take before any was seen."""

MOST = 500
"""Calls in a round, but for batched ones: more are hardly cheaper."""


class Pace:
    """Learns how long calls take: the mean of the latest ten or so. One that took long because a
    commit or a core was waited for is an exception, and does not make the rounds behind it small.

    Where several slots share a core, calls take longer on the clock than they are work. So while
    there is a backlog a round may take as much longer, up to four times: it doubles with each claim
    that found all that it asked for. Who arrives then still waits as long for the next of so many
    slots; and as soon as a claim comes short, nothing waits behind one slot while another is idle.
    """

    def __init__(self, slots: int) -> None:
        self._expected = FIRST_GUESS
        self._together = 1
        self._ahead = AHEAD
        self._longest = AHEAD * min(4.0, max(1.0, slots / (os.cpu_count() or 1)))

    def learn(self, completions: Sequence[Completion]) -> None:
        """These calls ran, one after the other or together."""
        count = len(completions)
        mean = sum(completion.seconds for completion in completions) / count if count > 1 else completions[0].seconds
        self._expected += (mean - self._expected) * (1 - 0.9 ** min(count, 50))
        self._together = max(self._together, count)

    def claimed(self, asked: int, found: int) -> None:
        """So many of the calls that were asked for were there."""
        self._ahead = min(2 * self._ahead, self._longest) if found >= asked else AHEAD

    def calls(self) -> int:
        """How many calls to claim."""
        most = min(MOST_CALLS, max(MOST, 2 * self._together))
        return max(1, min(most, int(self._ahead / max(self._expected, 1e-6))))
