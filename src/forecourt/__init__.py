"""Forecourt: the night shift of a car marketplace. The public names, and nothing else.

They are imported when first used, so that `forecourt --help` need not load a database driver.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from forecourt.version import __version__

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from forecourt.app import Forecourt
    from forecourt.jobs.awaiting import CallCancelled, CallDiscarded, CallFailed
    from forecourt.jobs.backoff import exponential
    from forecourt.jobs.batch import add_to_batch, batch
    from forecourt.jobs.chain import chain
    from forecourt.jobs.dispatch import Call
    from forecourt.jobs.job import Job, job
    from forecourt.jobs.limits import at_most, per
    from forecourt.jobs.middleware import Middleware
    from forecourt.jobs.outcome import Discard, Release
    from forecourt.jobs.progress import report
    from forecourt.jobs.workflow import Workflow
    from forecourt.schedule.timetable import Timetable

_HOMES = {
    "Call": "forecourt.jobs.dispatch",
    "CallCancelled": "forecourt.jobs.awaiting",
    "CallDiscarded": "forecourt.jobs.awaiting",
    "CallFailed": "forecourt.jobs.awaiting",
    "Discard": "forecourt.jobs.outcome",
    "Forecourt": "forecourt.app",
    "Job": "forecourt.jobs.job",
    "Middleware": "forecourt.jobs.middleware",
    "Release": "forecourt.jobs.outcome",
    "Session": "sqlalchemy.orm",
    "Timetable": "forecourt.schedule.timetable",
    "Workflow": "forecourt.jobs.workflow",
    "add_to_batch": "forecourt.jobs.batch",
    "at_most": "forecourt.jobs.limits",
    "batch": "forecourt.jobs.batch",
    "chain": "forecourt.jobs.chain",
    "exponential": "forecourt.jobs.backoff",
    "per": "forecourt.jobs.limits",
    "report": "forecourt.jobs.progress",
    "job": "forecourt.jobs.job",
}

__all__ = [
    "Call",
    "CallCancelled",
    "CallDiscarded",
    "CallFailed",
    "Discard",
    "Forecourt",
    "Job",
    "Middleware",
    "Release",
    "Session",
    "Timetable",
    "Workflow",
    "__version__",
    "add_to_batch",
    "at_most",
    "batch",
    "chain",
    "exponential",
    "job",
    "per",
    "report",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'forecourt' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
