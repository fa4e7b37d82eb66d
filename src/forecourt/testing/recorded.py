"""What a fake queue keeps of a dispatch."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from forecourt.jobs.definition import Definition
from forecourt.testing.matchers import call_text


@dataclass(frozen=True, slots=True)
class Link:
    """A call that would follow another in a chain."""

    job: Definition[..., Any]
    args: Mapping[str, Any]

    def __str__(self) -> str:
        return call_text(self.job, self.args)


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """A dispatch that a fake queue took. `args` are what the function would get: checked, through
    JSON, defaults filled in. `delay` is in seconds. `chain` is what would follow, `catch` what
    would if it failed."""

    id: int
    job: Definition[..., Any]
    args: Mapping[str, Any]
    queue: str
    priority: int
    delay: float | None
    at: datetime | None
    in_transaction: bool
    chain: tuple[Link, ...]
    catch: Link | None
    batch: int | None = None
    """Which of the fake's `batches` it is part of."""

    @property
    def later(self) -> bool:
        """Whether it would have waited for its time first."""
        return self.at is not None or bool(self.delay)

    def __str__(self) -> str:
        return (
            f"{call_text(self.job, self.args)} on {self.queue}"
            + (f", priority {self.priority}" if self.priority else "")
            + (f", after {self.delay:g} s" if self.delay else "")
            + (f", at {self.at}" if self.at is not None else "")
            + (", in a transaction" if self.in_transaction else "")
            + "".join(f", then {link}" for link in self.chain)
            + (f", on failure {self.catch}" if self.catch is not None else "")
        )
