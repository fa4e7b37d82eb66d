"""How many calls to hold: few while they are long, so that none waits behind a slow one; more while they are short."""

from collections.abc import Iterable, Mapping

from forecourt.workers.completer import Completion
from forecourt.workers.terms import Terms

FIRST_GUESS = 0.005
"""Seconds that a call of an unknown job is expected to take."""

AHEAD = 0.25
"""Seconds of work that a worker keeps claimed."""

IN_CHANNEL = 0.02
"""Seconds of work that a slot finds waiting in its channel."""

MOST_AHEAD = 500
MOST_IN_CHANNEL = 240


class Pace:
    """Learns how long calls take: a moving average a job, and one over all, in seconds a call."""

    def __init__(self, terms: Mapping[str, Terms]) -> None:
        self._terms = terms
        self._jobs: dict[str, float] = {}
        self._overall = FIRST_GUESS
        self._largest = 1

    def learn(self, completions: Iterable[Completion]) -> None:
        """These calls took so long; of a batch, or beside each other in threads, each its share."""
        spent: dict[str, tuple[int, float]] = {}
        for call, _, seconds, _ in completions:
            count, total = spent.get(call.job, (0, 0.0))
            spent[call.job] = count + 1, total + seconds
        for job, (count, total) in spent.items():
            terms = self._terms[job]
            mean = total / count / terms.threads
            known = self._jobs.get(job, mean)
            self._jobs[job] = mean + 0.8**count * (known - mean)
            self._overall = mean + 0.95**count * (self._overall - mean)
            self._largest = max(self._largest, 2 * terms.together)

    def capacity(self, slots: int) -> int:
        """How many calls the worker should hold."""
        most = max(MOST_AHEAD, self._largest)
        return slots * max(1, min(most, int(AHEAD / max(self._overall, 1e-6))))

    def depth(self, job: str) -> int:
        """How many bundles of this job a slot may hold, the running one included."""
        return max(1, min(MOST_IN_CHANNEL, int(IN_CHANNEL / max(self.of(job), 1e-6))))

    def of(self, job: str) -> float:
        """Seconds that a bundle of this job is expected to take."""
        return self._jobs.get(job, FIRST_GUESS) * self._terms[job].together
