"""How long things take: the longest that may be asked for, and lengths of time as people say them."""

from datetime import UTC, datetime

LONGEST = 100 * 365.25 * 86400.0
"""Seconds: a hundred years. No wait is meant to be longer, and much longer ones no calendar can express."""


def duration(seconds: float) -> str:
    """A length of time in its two largest units."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min"


def relative(instant: datetime, now: datetime | None = None) -> str:
    """ "in 3 h 20 min", "2 d ago"."""
    seconds = (instant - (now or datetime.now(UTC))).total_seconds()
    return f"in {duration(seconds)}" if seconds > 0 else f"{duration(-seconds)} ago"
