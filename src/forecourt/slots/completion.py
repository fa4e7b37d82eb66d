"""What became of one attempt, on its way from the function to the database."""

from typing import NamedTuple

from forecourt.jobs.outcome import Outcome
from forecourt.store.ready import Claimed


class Completion(NamedTuple):
    """A claimed call and what became of its attempt, after `seconds` of running; `log` is the tail
    of what it logged.
    """

    call: Claimed
    outcome: Outcome
    seconds: float
    log: tuple[str, ...] = ()
