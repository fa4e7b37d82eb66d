"""What an alert says: as JSON for programs, and the same in words for a mail."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from forecourt.durations import duration
from forecourt.process import hostname
from forecourt.settings import settings
from forecourt.store.alerts import Alert
from forecourt.visible import visible

GLYPHS = {"fail": "✕", "warn": "▲"}


def content(began: Sequence[Alert], ended: Sequence[Alert], left: int, now: datetime) -> dict[str, Any]:
    """The message about troubles that began and troubles that are over; `left` go on."""
    return {
        "type": "forecourt.alert" if began else "forecourt.recovery",
        "at": now.isoformat(),
        "host": hostname(),
        "environment": settings().environment,
        "application": settings().app,
        "link": f"{settings().base_url}/doctor",
        "open": left,
        "began": [_told(alert, now) for alert in sorted(began, key=lambda alert: alert.status)],
        "ended": [_told(alert, now) for alert in ended],
    }


def _told(alert: Alert, now: datetime) -> dict[str, Any]:
    return {
        "check": visible(alert.subject),
        "status": alert.status,
        "found": visible(alert.found),
        "advice": visible(alert.advice),
        "since": alert.began_at.isoformat(),
        "seconds": round((now - alert.began_at).total_seconds()),
    }


def subject(told: dict[str, Any]) -> str:
    """The line by which a mail is known on a lock screen."""
    first = told["began"][0] if told["began"] else told["ended"][0]
    more = len(told["began"] or told["ended"]) - 1
    words = f"{first['check']}: {first['found']}" if told["began"] else f"{first['check']} is well again"
    glyph = GLYPHS[first["status"]] if told["began"] else "✓"
    return f"[Forecourt] {glyph} {words}"[:150] + (f" (and {more} more)" if more else "")


def text(told: dict[str, Any]) -> str:
    """The mail's words."""
    at = datetime.fromisoformat(told["at"]).astimezone(settings().zone)
    lines = []
    for one in told["began"]:
        began = at - timedelta(seconds=one["seconds"])
        lines += [f"{GLYPHS[one['status']]} {one['check']}: {one['found']}", f"  since {began:%H:%M %Z}"]
        lines += [f"  {one['advice']}"] if one["advice"] else []
        lines.append("")
    for one in told["ended"]:
        lines += [f"✓ {one['check']} is well again, after {duration(one['seconds'])}", ""]
    goes_on = f"{told['open']} go on." if told["open"] != 1 else "1 goes on."
    lines.append(f"Of what was told, {goes_on}" if told["open"] else "Nothing else that was told goes on.")
    lines += [f"Told at {at:%Y-%m-%d %H:%M:%S %Z} by {told['host']} ({told['environment']}).", told["link"], ""]
    return "\n".join(lines)
