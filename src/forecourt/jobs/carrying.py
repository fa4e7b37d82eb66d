"""What a call takes along from where it was dispatched to where it runs: the context of a trace."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

Carrier: TypeAlias = Callable[[str, str], Mapping[str, str]]
"""For a job and its queue: what its call takes along, such as W3C's traceparent and tracestate."""

_carrier: Carrier | None = None


def use_carrier(carrier: Carrier | None) -> None:
    """Ask this for each dispatch in this process; None: nothing is taken along."""
    global _carrier
    _carrier = carrier


def carried(job: str, queue: str) -> Mapping[str, str]:
    """What a call that is dispatched now takes along; mostly nothing."""
    return _carrier(job, queue) if _carrier is not None else {}
