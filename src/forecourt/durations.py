"""How long things take: the longest that may be asked for, and lengths of time as people say
them.
"""

from datetime import UTC, datetime

from forecourt.language import gettext as _

LONGEST = 100 * 365.25 * 86400.0
"""Seconds: a hundred years. No wait is meant to be longer, and much longer ones no calendar can
express.
"""

LATEST = datetime(9000, 1, 1, tzinfo=UTC)
"""No call waits until then: calendars end a little later, sooner in zones ahead of UTC."""


def duration(seconds: float) -> str:
    """A length of time in its two largest units."""
    if seconds < 1:
        return _("%(count)s ms", count=f"{seconds * 1000:.0f}")
    if seconds < 60:
        return _("%(count)s s", count=f"{seconds:.1f}" if seconds < 10 else f"{seconds:.0f}")
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if days:
        return _("%(days)s d %(hours)s h", days=days, hours=hours % 24)
    if hours:
        return _("%(hours)s h %(minutes)s min", hours=hours, minutes=minutes % 60)
    return _("%(minutes)s min", minutes=minutes)


def relative(instant: datetime, now: datetime | None = None) -> str:
    """ "in 3 h 20 min", "2 d ago"."""
    seconds = (instant - (now or datetime.now(UTC))).total_seconds()
    if seconds > 0:
        return _("in %(time)s", time=duration(seconds))
    return _("%(time)s ago", time=duration(-seconds))
