"""What can become of an attempt, as values. A slot or a supervisor makes them, `transitions`
decides on them once.
"""

from dataclasses import dataclass
from signal import Signals
from typing import Any, TypeAlias

from forecourt.jobs.option_values import Seconds, seconds


class Release(Exception):
    """Raise inside a job to run the call again after `delay` (seconds or timedelta). It costs no
    try.
    """

    delay: float = 0
    why: str = "released by the job"
    """Of a class of one's own that does not ask this one to begin."""

    def __init__(self, delay: Seconds = 0, why: str = why) -> None:
        super().__init__(why)
        self.delay = seconds(delay, "Release: the delay")
        self.why = why


class Discard(Exception):
    """Raise inside a job to end the call without success and without failure; `why` is kept with
    it.
    """

    why: str = "discarded by the job"

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class NotKnownHere(Exception):
    """Raised inside a job of the engine's that needs what this application does not have. The call
    waits for a worker that has it, like one of a job that is not known."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The function returned. `result` is JSON text or None; `committed` says that the slot has
    already moved the call to done.
    """

    result: str | None = None
    committed: bool = False


@dataclass(frozen=True, slots=True)
class Raised:
    """The function raised. `final` says that another attempt cannot help."""

    error: str
    message: str
    traceback: str
    final: bool = False

    def __str__(self) -> str:
        return f"{self.error}: {self.message.partition(chr(10))[0][:200]}"


@dataclass(frozen=True, slots=True)
class Released:
    """The function asked to run later."""

    delay: float
    why: str


@dataclass(frozen=True, slots=True)
class Discarded:
    """The function asked to be dropped."""

    why: str


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The attempt ran longer than its timeout, in seconds, and was killed."""

    timeout: float

    def __str__(self) -> str:
        return f"killed after its timeout of {self.timeout:g} s"


@dataclass(frozen=True, slots=True)
class SlotDied:
    """The process that ran the attempt ended by itself: by a signal (kill -9, out of memory, a
    crash), or by exiting.
    """

    signal: int | None
    status: int | None

    def __str__(self) -> str:
        if self.signal is None:
            return f"its process exited with status {self.status}"
        try:
            name = Signals(self.signal).name
        except ValueError:
            name = "unknown"
        return f"its process was killed by signal {self.signal} ({name})"


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The attempt was cut short through no fault of the job: a shutdown, or a lost database
    connection that rolled it back.
    """

    why: str
    delay: float = 0

    def __str__(self) -> str:
        return self.why


@dataclass(frozen=True, slots=True)
class ClaimLost:
    """The slot found at its commit that the call is no longer its own; everything was rolled
    back.
    """


@dataclass(frozen=True, slots=True)
class Expired:
    """The call was not begun in the seconds during which it may be retried."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Exhausted:
    """The call's last try ended with its whole worker, which nobody could decide on until another
    worker claimed it. `message`: how it ended."""

    message: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    """An operator ended it."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """This worker's code has no such job, or no such task; one with newer or older code may have
    it.
    """

    why: str


Outcome: TypeAlias = (
    Finished
    | Raised
    | Released
    | Discarded
    | TimedOut
    | SlotDied
    | Interrupted
    | ClaimLost
    | Expired
    | Exhausted
    | Cancelled
    | Unknown
)

FINISHED = Finished()
"""The end of nearly all calls: nothing was returned, and the row is still to be moved."""

BY_NAME: dict[str, type[Any]] = {
    kind.__name__: kind for kind in (Finished, Raised, Released, Discarded, Interrupted, ClaimLost, Unknown)
}
"""The outcomes that a slot may leave to its successor."""
