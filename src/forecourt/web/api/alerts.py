"""Who is told of troubles without having asked: what was told, what would be, what went wrong."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Le
from psycopg import Connection

from forecourt.doctor.check import Status
from forecourt.store.alerts import Episode

if TYPE_CHECKING:
    from forecourt.app import Forecourt
    from forecourt.store.alert_messages import Kept

Count = Annotated[int, Ge(1), Le(10_000)]


@dataclass(frozen=True, slots=True)
class Reader:
    """Whom a channel reaches, in which language. Of a webhook's address only the host is told."""

    channel: str
    language: str
    to: list[str]


@dataclass(frozen=True, slots=True)
class Told:
    """A message: what it says in a line, how many troubles began and ended in it, to whom it went
    and when; while it is not sent, why, and the call that sends it."""

    id: int
    made_at: datetime
    sent_at: datetime | None
    channel: str
    language: str
    to: list[str]
    words: str
    began: int
    ended: int
    call: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Next:
    """A trouble of which nobody has been told, and when that will happen if it is still so; empty
    while nobody looks for it.
    """

    check: str
    status: Literal["warn", "fail"]
    found: str
    advice: str
    since: datetime | None
    tell_at: datetime | None


@dataclass(frozen=True, slots=True)
class Alerts:
    """As of `now`, by the settings of whoever answers: who is told, in which hours only failures
    are, and whether these are such; how many seconds ago somebody looked, empty for never; the
    latest troubles, those first that are not over; what was told of them; what would be told next.
    """

    now: datetime
    readers: list[Reader]
    quiet_hours: str | None
    quiet_until: datetime | None
    looked_ago: float | None
    episodes: list[Episode]
    told: list[Told]
    next: list[Next]


def alerts(tx: Connection[Any], *, app: "Forecourt", limit: Count = 30) -> Alerts:
    """Troubles, who was told of them and when, what went wrong in telling, and what would be told
    now.
    """
    from forecourt.alerts import sending
    from forecourt.doctor.check import House
    from forecourt.doctor.examination import OF_ALL, OF_THIS_MACHINE, examine
    from forecourt.process import hostname
    from forecourt.quiet import quiet_until
    from forecourt.settings import settings
    from forecourt.store import alert_messages, tasks
    from forecourt.store import alerts as store
    from forecourt.watch.episodes import outlook

    now, known = tasks.now(tx), settings()
    hours, readers = known.alert_quiet_hours, sending.channels()
    quiet = quiet_until(now, known.zone, hours)
    looked_ago = store.watch(tx, known.app).looked_ago
    house = House(tx, app, now)
    waiting = [
        one
        for of, checks in ((known.app, OF_ALL), (f"{known.app} on {hostname()}", OF_THIS_MACHINE))
        for one in outlook(store.open_ones(tx, of), examine(house, checks), now, quiet, watched=bool(readers))
    ]
    return Alerts(
        now=now,
        readers=[Reader(_kind(one.name), one.language, list(one.to)) for one in readers],
        quiet_hours=None if hours is None else f"{hours[0]:%H:%M}-{hours[1]:%H:%M}",
        quiet_until=quiet,
        looked_ago=None if looked_ago == float("inf") else looked_ago,
        episodes=store.latest(tx, limit),
        told=[_told(one) for one in alert_messages.latest(tx, limit)],
        next=[
            Next(it.name, _wrong(it.status), it.found, it.advice, one.since, one.tell_at)
            for one in waiting
            for it in [one.result]
        ],
    )


def _told(one: "Kept") -> Told:
    from forecourt.alerts import content
    from forecourt.language import speaking

    began, ended, language = (one.content.get(part) for part in ("began", "ended", "language"))
    with speaking(language or "en"):
        words = content.subject(one.content) if began or ended else ""
    return Told(
        one.id, one.created_at, one.sent_at, _kind(one.channel), language or "en", one.told, words,
        len(began or ()), len(ended or ()), one.call_id, None if one.sent_at else one.error,
    )  # fmt: skip


def _wrong(status: Status) -> Literal["warn", "fail"]:
    return "fail" if status == "fail" else "warn"


def _kind(channel: str) -> str:
    """What kind of channel it is; those by Apprise are several."""
    return channel.partition(" ")[0]
