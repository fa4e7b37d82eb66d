"""How long each waits for the one within it when a worker is told to stop."""

from dataclasses import dataclass

from forecourt.app import Forecourt
from forecourt.jobs.policy import Defaults

LONGEST_USUAL = 3600.0
"""Seconds that a stop waits at most for jobs that may take as long as they like; the reference's
own figure.
"""

ROOM = 15.0
"""Seconds between two rungs of the ladder."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """How long each waits for the one within it, in seconds, strictly rising: else the outer kills
    what the inner would have ended in order. `job`: the longest timeout of any job. `shutdown`:
    what a worker grants running calls after it was told to stop. `stop`: what the process manager
    grants the worker before it kills."""

    job: float
    shutdown: float
    stop: float

    @classmethod
    def of(cls, app: Forecourt) -> "Ladder":
        """Above the application's longest job. One without a timeout counts as an hour; the
        engine's own, which may take as long, count for nothing, as what they have done stays done
        when they are given back."""
        usual = Defaults().timeout
        jobs = [job.policy for name, job in app.jobs.items() if not name.startswith("forecourt.")]
        timeouts = [usual if policy.timeout is None else policy.timeout for policy in jobs]
        longest = max((timeout or LONGEST_USUAL for timeout in timeouts), default=usual)
        return cls(longest, longest + ROOM, longest + 2 * ROOM)
