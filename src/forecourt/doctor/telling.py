"""Whether somebody would be told, where somebody wants to be."""

from forecourt.alerts.sending import channels
from forecourt.doctor.check import House, Result
from forecourt.durations import duration
from forecourt.language import gettext as _
from forecourt.language import marked, some
from forecourt.settings import settings
from forecourt.store import alerts

UNWATCHED = 300.0


def alerting(house: House) -> list[Result]:
    """Whether a clock or a web server watches, and what it tells leaves."""
    if not channels():
        return []
    watch = alerts.watch(house.tx, settings().app)
    if watch.looked_ago > UNWATCHED:
        words = _("nobody has watched yet")
        if watch.looked_ago < float("inf"):
            words = _("nobody has watched for %(time)s", time=duration(watch.looked_ago))
        advice = _("Clocks and web servers watch that have the same FORECOURT_ALERT_MAIL, _WEBHOOK or _APPRISE.")
        return [Result(marked("alerts"), "warn", words, duration(UNWATCHED), advice)]
    words, advice = _("somebody watches"), _("This says why:") + " forecourt alerts test"
    if watch.unsent:
        words = _("%(alerts)s could not be sent", alerts=some(watch.unsent, "alert", "alerts"))
    return [Result(marked("alerts"), "warn" if watch.unsent else "ok", words, "0", advice, watch.unsent, "messages")]
