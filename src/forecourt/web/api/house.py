"""The house as a whole: is it well, what does the marketplace have to do, who did what."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg import Connection

from forecourt.doctor.check import Result
from forecourt.store import trail
from forecourt.store.trail import Entry
from forecourt.web.api import cursor as cursors
from forecourt.web.api.errors import NotFound
from forecourt.web.api.parameters import A_PAGE, Cursor

if TYPE_CHECKING:
    from forecourt.app import Forecourt
    from forecourt.web.people import Person


@dataclass(frozen=True, slots=True)
class Trail:
    """A page of the audit, newest first. `next` is the cursor of the page after it, None when this
    is the last.
    """

    items: list[Entry]
    next: str | None


@dataclass(frozen=True, slots=True)
class Marketplace:
    """Placements that end within a week by day, the last roll-ups, archives and sitemaps, photos
    that are on two listings, notices by state, and single counts."""

    ending: list[dict[str, Any]]
    days: list[dict[str, Any]]
    archives: list[dict[str, Any]]
    sitemaps: list[dict[str, Any]]
    twins: list[dict[str, Any]]
    notices: list[dict[str, Any]]
    counts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Me:
    """Who asks, what they may do, and whom: `role` is None for a token that has only scopes of its
    own.
    """

    name: str
    role: str | None
    scopes: list[str]
    version: str
    timezone: str


def me(tx: Connection[Any], *, person: "Person") -> Me:
    """Who you are here, and what you may do."""
    from forecourt.settings import settings
    from forecourt.version import __version__

    role = None if person.role is None else person.role.word
    return Me(person.who, role, sorted(person.scopes), __version__, settings().timezone)


def doctor(tx: Connection[Any], *, app: "Forecourt") -> list[Result]:
    """Database, workers, clock, queues, tasks and disk, each with what was found, its limit, and
    what to do.
    """
    from forecourt.doctor.check import House
    from forecourt.doctor.examination import examine
    from forecourt.store import tasks

    return examine(House(tx, app, tasks.now(tx)))


def marketplace(tx: Connection[Any], *, app: "Forecourt") -> Marketplace:
    """What the night's duties have to do with. 404 where the application is not the marketplace."""
    from forecourt.settings import settings
    from forecourt.web.application import is_marketplace
    from forecourt.web.market_figures import figures

    if not is_marketplace(app):
        raise NotFound("the application of this server is not the marketplace")
    return Marketplace(**figures(tx, settings().timezone))


def audit(tx: Connection[Any], *, limit: A_PAGE = 100, cursor: Cursor | None = None) -> Trail:
    """Who changed what, from the pages, from the command line, and by token."""
    before, _ = cursors.read(cursor)
    found = trail.entries(tx, before=before, limit=limit + 1)
    return Trail(found[:limit], cursors.write(found[limit - 1].id) if len(found) > limit else None)
