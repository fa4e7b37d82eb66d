"""What a test suite of an application needs: a queue that only records, calls that run at once,
time that stands still.

The names are imported when first used: pytest loads this package with every test run, also where no
job is tested. Nothing in production imports it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forecourt.testing.draining import Drained, drain
    from forecourt.testing.fake import FakeQueue, fake_queue
    from forecourt.testing.inline import run_as_inline, run_now
    from forecourt.testing.recorded import RecordedCall
    from forecourt.testing.schedule import assert_due, assert_scheduled, freeze

_HOMES = {
    "Drained": "draining",
    "FakeQueue": "fake",
    "RecordedCall": "fake",
    "assert_due": "schedule",
    "assert_scheduled": "schedule",
    "drain": "draining",
    "fake_queue": "fake",
    "freeze": "schedule",
    "run_as_inline": "inline",
    "run_now": "inline",
}

__all__ = [
    "Drained",
    "FakeQueue",
    "RecordedCall",
    "assert_due",
    "assert_scheduled",
    "drain",
    "fake_queue",
    "freeze",
    "run_as_inline",
    "run_now",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'forecourt.testing' has no attribute {name!r}")
    return getattr(import_module(f"forecourt.testing.{_HOMES[name]}"), name)
