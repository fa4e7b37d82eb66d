"""What can be said of durations, also where they are only known as counts between bounds."""

from collections.abc import Sequence
from math import ceil, inf

from forecourt.durations import duration
from forecourt.language import gettext as _
from forecourt.store.minutes import BOUNDS


def labels() -> list[str]:
    """The upper bound of each count, in short."""
    return [*(_bound(seconds) for seconds in BOUNDS), _("more")]


def _bound(seconds: float) -> str:
    if seconds < 1:
        return _("%(count)s ms", count=f"{seconds * 1000:.0f}")
    if seconds < 60:
        return _("%(count)s s", count=f"{seconds:.0f}")
    return (
        _("%(minutes)s min", minutes=int(seconds // 60))
        if seconds < 3600
        else _("%(hours)s h", hours=int(seconds // 3600))
    )


def exact(values: Sequence[float], share: float) -> float:
    """The value that this share of them did not exceed, by nearest rank. At least one is given."""
    return sorted(values)[max(0, ceil(share * len(values)) - 1)]


def quantile(counts: Sequence[int], share: float, in_all: float = inf) -> str:
    """The duration that this share of them did not exceed, as far as the bounds tell it: within its
    bound they are taken to be spread evenly, and none is longer than all together, `in_all`
    seconds. Empty for none."""
    total = sum(counts)
    if not total:
        return ""
    wanted, seen = share * total, 0
    for n, count in enumerate(counts):
        if count and seen + count >= wanted:
            if n == len(BOUNDS):
                return _("over %(time)s", time=duration(BOUNDS[-1]))
            low = BOUNDS[n - 1] if n else 0.0
            return duration(min(in_all, low + (BOUNDS[n] - low) * (wanted - seen) / count))
        seen += count
    return ""
