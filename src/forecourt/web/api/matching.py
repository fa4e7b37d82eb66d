"""One action on all calls that fit: counted, cancelled, run now, retried, forgotten. Up to a
thousand at once, more by a call in the background, whose progress shows; it begins after ten
seconds, and until then cancelling it takes all of it back.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from annotated_types import Ge, Le
from psycopg import Connection

from forecourt.store import matching, overview, search, tasks
from forecourt.store.search import LARGEST_ID, Search
from forecourt.web.api.errors import NotFound, Unreadable
from forecourt.web.api.parameters import Error, Id, Ids, Name, Words

if TYPE_CHECKING:
    from forecourt.app import Forecourt
    from forecourt.operations.calls import Action

Live: TypeAlias = Literal["ready", "running", "scheduled"]
State: TypeAlias = Literal["ready", "running", "scheduled", "failed"]

MOST_IDS = 10_000


@dataclass(frozen=True, slots=True)
class Counted:
    """How many calls fit."""

    count: int


@dataclass(frozen=True, slots=True)
class Chosen:
    """The ids of failed calls, in order. `next` is what `after` has to be for more; None when these
    are the last.
    """

    ids: list[int]
    next: int | None


@dataclass(frozen=True, slots=True)
class Acted:
    """How many calls were changed, and how many stay as they are: they are in that state no more,
    or another call with the same unique key lives. `call`: the call that does it in the background,
    when there are many; then `changed` is how many it will try."""

    changed: int
    stayed: int
    call: int | None = None


def count(
    tx: Connection[Any],
    *,
    state: State = "ready",
    q: Words = "",
    job: Name | None = None,
    queue: Name | None = None,
    error: Error | None = None,
    batch: Id | None = None,
    first: datetime | None = None,
    last: datetime | None = None,
) -> Counted:
    """How many calls of a state fit all that is given, however old they are: what an action on them
    would act on."""
    return Counted(matching.count(tx, wanted(tx, state, q, job, queue, error, batch, first, last)))


def choose(
    tx: Connection[Any],
    *,
    ids: Ids | None = None,
    q: Words = "",
    queue: Name | None = None,
    job: Name | None = None,
    error: Error | None = None,
    since: datetime | None = None,
    older_than: Annotated[float, Ge(0), Le(3.2e9)] | None = None,
    after: Annotated[int, Ge(0), Le(LARGEST_ID)] = 0,
) -> Chosen:
    """The ids of the failed calls that fit all that is given, or of all. `older_than`: seconds
    since they failed, at least.
    """
    last = None if older_than is None else tasks.now(tx) - timedelta(seconds=older_than)
    chosen = wanted(tx, "failed", q, job, queue, error, None, since, last)
    few = matching.ids(tx, chosen, among=ids, after=after, limit=MOST_IDS + 1)
    return Chosen(few[:MOST_IDS], few[MOST_IDS - 1] if len(few) > MOST_IDS else None)


def cancel(
    tx: Connection[Any],
    *,
    who: str,
    app: "Forecourt",
    state: Live,
    q: Words = "",
    job: Name | None = None,
    queue: Name | None = None,
    batch: Id | None = None,
    first: datetime | None = None,
    last: datetime | None = None,
) -> Acted:
    """End all calls of this state that fit all that is given. Of those that wait, what begins
    meanwhile goes on; those that run end by killing their slots."""
    return _act(tx, "cancel", wanted(tx, state, q, job, queue, None, batch, first, last), who, app)


def run_now(
    tx: Connection[Any],
    *,
    who: str,
    app: "Forecourt",
    q: Words = "",
    job: Name | None = None,
    queue: Name | None = None,
    batch: Id | None = None,
    first: datetime | None = None,
    last: datetime | None = None,
) -> Acted:
    """Make all calls ready that wait for their time, due or not, and fit all that is given."""
    return _act(tx, "run-now", wanted(tx, "scheduled", q, job, queue, None, batch, first, last), who, app)


def retry(
    tx: Connection[Any],
    *,
    who: str,
    app: "Forecourt",
    q: Words = "",
    queue: Name | None = None,
    job: Name | None = None,
    error: Error | None = None,
    since: datetime | None = None,
    last: datetime | None = None,
) -> Acted:
    """Give all failed calls that fit all that is given their tries again."""
    return _act(tx, "retry", wanted(tx, "failed", q, job, queue, error, None, since, last), who, app)


def forget(
    tx: Connection[Any],
    *,
    who: str,
    app: "Forecourt",
    q: Words = "",
    queue: Name | None = None,
    job: Name | None = None,
    error: Error | None = None,
    since: datetime | None = None,
    last: datetime | None = None,
) -> Acted:
    """Remove all failed calls that fit all that is given."""
    return _act(tx, "forget", wanted(tx, "failed", q, job, queue, error, None, since, last), who, app)


def wanted(
    tx: Connection[Any],
    state: search.State,
    q: str,
    job: str | None,
    queue: str | None,
    error: str | None,
    batch: int | None,
    first: datetime | None,
    last: datetime | None,
) -> Search:
    """The search that `q` and the parameters beside it mean. Raises Unreadable."""
    from forecourt.web.searching import CannotRead, asked

    try:
        read = asked({"state": state, "q": q}, search.jobs(tx), overview.queues(tx), tasks.now(tx))
    except CannotRead as wrong:
        raise Unreadable(f"q: {wrong}") from None
    if read.id is not None:
        raise Unreadable(f"q: a call by its id is /api/v1/calls/{read.id}")
    given = {"job": job, "queue": queue, "error": error, "batch": batch, "first": first, "last": last}
    return replace(read.search, **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]


def _act(tx: Connection[Any], action: "Action", chosen: Search, who: str, app: "Forecourt") -> Acted:
    from forecourt.operations import bulk

    if not chosen.filters:
        raise Unreadable("give q, a queue, a job or a time: to act on every call, name them by their ids")
    try:
        did = bulk.act(tx, action, chosen, who=who, queues=app.queues)
    except bulk.NothingFits as error:
        raise NotFound(str(error)) from None
    return Acted(did.found, 0, did.call) if did.call else Acted(did.changed, did.found - did.changed)
