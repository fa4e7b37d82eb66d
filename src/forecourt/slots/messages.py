"""What a supervisor, its fork server and its slots tell each other: few words, and all of them
light, since the supervisor loads nothing that it does not need."""

from dataclasses import dataclass

from forecourt.jobs.outcome import Outcome
from forecourt.slots.options import WorkOptions

LARGEST = 64 * 1024
"""Bytes of a message."""


@dataclass(frozen=True, slots=True)
class Death:
    """Why a slot is no more, and because of which calls, by their tokens; none for all that it
    ran.
    """

    outcome: Outcome
    tokens: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Birth:
    """What a slot is told when it is born. `death`: how its predecessor ended, whose estate is not
    settled yet.
    """

    number: int
    worker: int
    options: WorkOptions
    death: Death | None


@dataclass(frozen=True, slots=True)
class Event:
    """A slot was born (`code` is None) or died with this exit code, negative for a signal."""

    worker: int
    slot: int
    pid: int
    code: int | None
