"""What an alert says, in its reader's language: as JSON for programs, and the same in words for a
mail.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from forecourt.alerts.naming import called
from forecourt.durations import duration
from forecourt.language import gettext as _
from forecourt.language import language, marked, some
from forecourt.process import hostname
from forecourt.settings import settings
from forecourt.store.alerts import Alert
from forecourt.visible import visible

GLYPHS = {"fail": "✕", "warn": "▲"}

TEST = marked("test")


def content(began: Sequence[Alert], ended: Sequence[Alert], left: int, now: datetime) -> dict[str, Any]:
    """The message about troubles that began and troubles that are over; `left` go on. Checks are
    named as programs know them, whatever the language.
    """
    return {
        "type": "forecourt.alert" if began else "forecourt.recovery",
        "language": language(),
        "at": now.isoformat(),
        "host": hostname(),
        "environment": settings().environment,
        "application": settings().app,
        "link": f"{settings().base_url}/doctor",
        "open": left,
        "began": [_trouble(alert, now) for alert in sorted(began, key=lambda alert: alert.status)],
        "ended": [_trouble(alert, now) for alert in ended],
    }


def _trouble(alert: Alert, now: datetime) -> dict[str, Any]:
    return {
        "check": visible(alert.subject),
        "status": alert.status,
        "found": visible(alert.found),
        "advice": visible(alert.advice),
        "since": alert.began_at.isoformat(),
        "seconds": round((now - alert.began_at).total_seconds()),
    }


def subject(news: dict[str, Any]) -> str:
    """The line by which a mail is known on a lock screen."""
    first = news["began"][0] if news["began"] else news["ended"][0]
    more = len(news["began"] or news["ended"]) - 1
    name = called(first["check"])
    words = f"{name}: {first['found']}" if news["began"] else _("%(check)s is well again", check=name)
    glyph = GLYPHS[first["status"]] if news["began"] else "✓"
    others = _("(and %(count)s more)", count=more)
    return f"[Forecourt] {glyph} {words}"[:150] + (f" {others}" if more else "")


def text(news: dict[str, Any]) -> str:
    """The mail's words."""
    told_at = datetime.fromisoformat(news["at"]).astimezone(UTC)  # in one zone Python counts the hours on the wall
    at = told_at.astimezone(settings().zone)
    lines = []
    for one in news["began"]:
        began = (told_at - timedelta(seconds=one["seconds"])).astimezone(settings().zone)
        lines.append(f"{GLYPHS[one['status']]} {called(one['check'])}: {one['found']}")
        lines.append("  " + _("since %(time)s", time=f"{began:%H:%M %Z}"))
        lines += [f"  {one['advice']}"] if one["advice"] else []
        lines.append("")
    for one in news["ended"]:
        lasted = duration(one["seconds"])
        lines += ["✓ " + _("%(check)s is well again, after %(time)s", check=called(one["check"]), time=lasted), ""]
    count = news["open"]
    lines.append(
        _("Of what was told, %(troubles)s.", troubles=some(count, "goes on", "go on"))
        if count
        else _("Nothing else that was told goes on.")
    )
    when = f"{at:%Y-%m-%d %H:%M:%S %Z}"
    who = _(
        "Told at %(time)s by %(host)s (%(environment)s).", time=when, host=news["host"], environment=news["environment"]
    )
    lines += [who, news["link"], ""]
    return "\n".join(lines)
