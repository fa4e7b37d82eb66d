"""Troubles as episodes: of each one message when it has lasted a little, and one when it is
over.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection

from forecourt.doctor.check import Result
from forecourt.store import alerts
from forecourt.store.alerts import Alert

PATIENCE = timedelta(seconds=55)
"""A trouble that goes by itself within two looks is not told."""

CALM = timedelta(minutes=3)
"""One that comes back within this time was never away."""

RANK = {None: 0, "ok": 0, "warn": 1, "fail": 2}


@dataclass(slots=True)
class News:
    """What is worth telling: troubles that began or became worse, and troubles that are over; how
    many others that were told go on."""

    began: list[Alert] = field(default_factory=list)
    ended: list[Alert] = field(default_factory=list)
    left: int = 0


TOO_SLOW = Result(
    "checks", "fail", "the database takes too long to answer them", advice="Look at its load: pg_stat_activity."
)


def follow(
    tx: Connection[Any], application: str, results: Sequence[Result] | None, now: datetime, *, quiet: bool
) -> News:
    """Note how an application's troubles stand, and say what is worth telling now.

    Where the checks could not be made (None), that is a trouble, and the others are as they were.
    While it is `quiet` only failures are told, and their end; what only wants a look waits, and is
    never told if it is over by then. What happens once is never over, and is told afterwards.
    """
    found = [TOO_SLOW] if results is None else results
    known = {alert.subject: alert for alert in alerts.open_ones(tx, application)}
    wrong = {result.name: result for result in found if result.status != "ok" and result.tell != "never"}
    standing = [
        _go_on(tx, known[name], result) if name in known else _begin(tx, application, result, now)
        for name, result in wrong.items()
    ]
    gone = [alert for subject, alert in known.items() if subject not in wrong and results is not None]
    # An event has no end: what happened in quiet hours is told in the morning, whatever came since.
    events = [alert for alert in gone if alert.told_status is None and not alert.lasts]
    news = News(began=[alert for alert in [*standing, *events] if _is_news(alert, now, quiet)])
    forgotten = [alert for alert in gone if alert.told_status is None and alert.lasts]
    resting = [alert for alert in gone if alert.told_status is not None]
    over = [alert for alert in resting if _is_over(alert, now, quiet)]
    alerts.told(tx, [alert.id for alert in news.began], now)
    alerts.well(tx, [alert.id for alert in resting if alert.well_since is None], now)
    alerts.end(tx, [alert.id for alert in over], now)
    alerts.forget(tx, [alert.id for alert in forgotten])
    news.ended = [alert for alert in over if alert.lasts]
    told = {alert.id for alert in [*standing, *resting] if alert.told_status is not None}
    news.left = len(told - {alert.id for alert in [*news.began, *over]})
    return news


@dataclass(frozen=True, slots=True)
class Waiting:
    """A trouble of which nobody has been told, since when it is seen, and when that will happen if
    it is still so; None while nobody watches for it.
    """

    result: Result
    since: datetime | None
    tell_at: datetime | None


def outlook(
    known: Sequence[Alert], results: Sequence[Result], now: datetime, quiet_until: datetime | None, *, watched: bool
) -> list[Waiting]:
    """What would be told next, as things stand, of an application's troubles that are not over."""
    alerts_by_name = {alert.subject: alert for alert in known}
    found = []
    for result in results:
        alert = alerts_by_name.get(result.name)
        told = None if alert is None else alert.told_status
        if result.tell == "never" or RANK[result.status] <= RANK[told]:
            continue
        lasted = (now if alert is None else alert.began_at) + (PATIENCE if result.tell == "episode" else timedelta())
        waits = quiet_until if quiet_until is not None and result.status == "warn" else now
        tell_at = max(now, lasted, waits) if watched else None
        found.append(Waiting(result, None if alert is None else alert.began_at, tell_at))
    return found


def _begin(tx: Connection[Any], application: str, result: Result, now: datetime) -> Alert:
    return alerts.begin(
        tx,
        application,
        now,
        subject=result.name,
        status=result.status,
        found=result.found,
        advice=result.advice,
        lasts=result.tell == "episode",
    )


def _go_on(tx: Connection[Any], alert: Alert, result: Result) -> Alert:
    return alerts.go_on(tx, alert.id, status=result.status, found=result.found, advice=result.advice)


def _is_news(alert: Alert, now: datetime, quiet: bool) -> bool:
    lasted = not alert.lasts or now - alert.began_at >= PATIENCE
    return lasted and RANK[alert.status] > RANK[alert.told_status] and not (quiet and alert.status == "warn")


def _is_over(alert: Alert, now: datetime, quiet: bool) -> bool:
    if alert.well_since is None or now - alert.well_since < CALM:
        return False
    return not (quiet and alert.told_status == "warn" and alert.lasts)
