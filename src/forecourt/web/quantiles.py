"""What can be said of durations that are only known as counts between bounds."""

from collections.abc import Sequence

from forecourt.durations import duration
from forecourt.store.minutes import BOUNDS

LABELS = ("10 ms", "50 ms", "100 ms", "500 ms", "1 s", "5 s", "15 s", "1 min", "5 min", "15 min", "1 h", "more")
"""The upper bound of each count."""


def quantile(counts: Sequence[int], share: float) -> str:
    """The duration that this share of them did not exceed, as far as the bounds tell it: within its bound they are taken to be
    spread evenly. Empty for none."""
    total = sum(counts)
    if not total:
        return ""
    wanted, seen = share * total, 0
    for n, count in enumerate(counts):
        if count and seen + count >= wanted:
            if n == len(BOUNDS):
                return f"over {duration(BOUNDS[-1])}"
            low = BOUNDS[n - 1] if n else 0.0
            return duration(low + (BOUNDS[n] - low) * (wanted - seen) / count)
        seen += count
    return ""
