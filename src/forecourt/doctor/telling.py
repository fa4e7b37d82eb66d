"""Whether somebody would be told, where somebody wants to be."""

from forecourt.alerts.sending import channels
from forecourt.doctor.check import House, Result
from forecourt.durations import duration
from forecourt.settings import settings
from forecourt.store import alerts

UNWATCHED = 300.0


def alerting(house: House) -> list[Result]:
    """Whether a clock or a web server watches, and what it tells leaves."""
    if not channels():
        return []
    watch = alerts.watch(house.tx, settings().app)
    if watch.looked_ago > UNWATCHED:
        since = f"for {duration(watch.looked_ago)}" if watch.looked_ago < float("inf") else "yet"
        words = f"nobody has watched {since}"
        advice = (
            "A clock or a web server watches if it has the same FORECOURT_ALERT_... settings: restart one with them."
        )
        return [Result("alerts", "warn", words, duration(UNWATCHED), advice)]
    words = f"{watch.unsent} could not be sent" if watch.unsent else f"by {' and '.join(channels())}"
    advice = "forecourt alerts test says why."
    return [Result("alerts", "warn" if watch.unsent else "ok", words, "none unsent", advice, watch.unsent, "messages")]
