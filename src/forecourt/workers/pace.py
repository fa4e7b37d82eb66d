"""How many calls to hold: few while they are long, so that none waits behind a slow one; more while they are short."""

from collections.abc import Callable

FIRST_GUESS = 0.005
"""Seconds that a call of an unknown job is expected to take."""

AHEAD = 0.25
"""Seconds of work that a worker keeps claimed."""

IN_CHANNEL = 0.02
"""Seconds of work that a slot finds waiting in its channel."""

MOST_AHEAD = 500
MOST_IN_CHANNEL = 100


class Pace:
    """Learns how long calls take: a moving average a job, and one over all, in seconds a call."""

    def __init__(self, batch_of: Callable[[str], int]) -> None:
        self._batch_of = batch_of
        self._jobs: dict[str, float] = {}
        self._overall = FIRST_GUESS
        self._largest_batch = 1

    def learn(self, job: str, seconds: float) -> None:
        """One call of this job took so long; of a batch, its share."""
        known = self._jobs.get(job, seconds)
        self._jobs[job] = known + 0.2 * (seconds - known)
        self._overall += 0.05 * (seconds - self._overall)
        self._largest_batch = max(self._largest_batch, self._batch_of(job))

    def capacity(self, slots: int) -> int:
        """How many calls the worker should hold."""
        most = max(MOST_AHEAD, 2 * self._largest_batch)
        return slots * max(1, min(most, int(AHEAD / max(self._overall, 1e-6))))

    def depth(self, job: str) -> int:
        """How many bundles of this job a slot may hold, the running one included."""
        one = self._jobs.get(job, FIRST_GUESS) * self._batch_of(job)
        return max(1, min(MOST_IN_CHANNEL, int(IN_CHANNEL / max(one, 1e-6))))
