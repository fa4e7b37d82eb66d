"""report(done, total, "words"): a long job says how far it is."""

import time
from math import isfinite

from forecourt.database import engine, in_transaction_of
from forecourt.jobs.context import current
from forecourt.store import progress
from forecourt.store.storable import storable

SELDOM = 0.5
"""Seconds between two reports that are written; what comes sooner is dropped, but for the last
(done = total).
"""

_written_at = 0.0


def report(done: float, total: float | None = None, words: str = "") -> None:
    """Say how far the running call is: visible at once, whatever its transaction does. Outside a
    call it does nothing.
    """
    global _written_at
    call = current.get()
    now = time.monotonic()
    if call is None or (now - _written_at < SELDOM and done != total):
        return
    _written_at = now
    # What it says of itself must end neither it nor the page that shows it.
    done, total = done if isfinite(done) else 0.0, total if total is not None and isfinite(total) else None
    with engine().begin() as connection:
        progress.report(in_transaction_of(connection), call.id, done, total, storable(words)[:500])
