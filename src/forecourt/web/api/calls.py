"""Calls: searched, shown, cancelled."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from psycopg import Connection

from forecourt.masking import hide
from forecourt.store import definitions, inspection, json_text, overview, progress, search, workflow_progress
from forecourt.store.overview import Found
from forecourt.store.progress import Progress
from forecourt.web.api import cursor as cursors
from forecourt.web.api.errors import NotFound, Unreadable
from forecourt.web.api.matching import Acted, wanted
from forecourt.web.api.parameters import A_PAGE, Cursor, Delay, Error, Id, Ids, Name, Priority, Words

if TYPE_CHECKING:
    from forecourt.app import Forecourt

State: TypeAlias = Literal["ready", "running", "scheduled", "failed", "done"]


@dataclass(frozen=True, slots=True)
class Listed:
    """A call in a list. `at`: since when it is in this state, or when it is due. `until`: its
    deadline while it runs, its start once it is done. `args` is None when they are long, as
    `args_bytes` says; secrets in it are hidden. `error` and `message` are cut."""

    id: int
    state: str
    job: str
    queue: str
    attempts: int
    created_at: datetime
    at: datetime
    until: datetime | None
    error: str | None
    message: str | None
    args: dict[str, Any] | None
    args_bytes: int


@dataclass(frozen=True, slots=True)
class Calls:
    """A page of calls. `next` is the cursor of the page after it, None when this is the last."""

    items: list[Listed]
    next: str | None


@dataclass(frozen=True, slots=True)
class Shown:
    """A call. `at`: since when it is in this state, or when it is due. `history`: every attempt
    that did not end well. `tick`: the due time that it is, `batch` and `workflow`: what it belongs
    to, `chain`: the jobs that follow it, `trace`: the id of the trace that it was dispatched in.
    Secrets in arguments and results are hidden."""

    id: int
    state: str
    job: str
    queue: str
    priority: int | None
    args: Any
    options: Any
    attempts: int
    history: list[dict[str, Any]]
    created_at: datetime
    at: datetime | None
    error: str | None
    result: Any
    worker: int | None
    progress: Progress | None
    chain: list[str] | None
    batch: dict[str, Any] | None
    workflow: int | None
    tick: dict[str, Any] | None
    trace: str | None
    cancelled_by: str | None


@dataclass(frozen=True, slots=True)
class Dispatched:
    """A call. `duplicate`: nothing was entered, it was there already."""

    id: int
    job: str
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The calls that waited have ended; those that ran end in a moment."""

    cancelled: list[int]
    ending: list[int]


def find(
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
    limit: A_PAGE = 50,
    cursor: Cursor | None = None,
) -> Calls:
    """The calls of one state, those that matter first. `q` takes what the search field of the page
    takes: `listing_id=42` for an argument, `job:`, `queue:`, `error:`, `batch:` or `trace:` before
    a name. `first` and `last` bound when they came into the state. Arguments, jobs, batches and
    traces are looked for among the latest 100,000 calls of the state."""
    after, at = cursors.read(cursor)
    chosen = wanted(tx, state, q, job, queue, error, batch, first, last)
    found = search.calls(tx, replace(chosen, id=after, at=at), limit + 1)
    masks = definitions.masks(tx)
    page = [_listed(call, masks.get(call.job, ())) for call in found[:limit]]
    if len(found) <= limit:
        return Calls(page, None)
    return Calls(page, cursors.write(page[-1].id, page[-1].at if state in ("failed", "scheduled") else None))


def show(tx: Connection[Any], *, id: Id) -> Shown:
    """One call: where it is, its arguments, every attempt, and what it belongs to."""
    found, more = overview.find(tx, id), inspection.call(tx, id)
    if found is None or more is None:
        raise NotFound(f"no call has the id {id}: finished calls are kept for 7 days")
    return _shown(tx, found, more)


def dispatch(
    tx: Connection[Any],
    *,
    who: str,
    app: "Forecourt",
    job: Name,
    args: dict[str, Any] | None = None,
    delay: Delay | None = None,
    queue: Name | None = None,
    priority: Priority | None = None,
) -> Dispatched:
    """Enter a call of a job with these arguments, due now or in `delay` seconds."""
    from forecourt.jobs.arguments import WrongArguments
    from forecourt.operations import dispatching

    try:
        call = dispatching.dispatch(tx, app.jobs, job, args or {}, delay=delay, queue=queue, priority=priority, who=who)
    except dispatching.NoSuchJob as error:
        raise NotFound(str(error)) from None
    except (WrongArguments, ValueError) as error:
        raise Unreadable(str(error)) from None
    return Dispatched(call.id, call.job, call.duplicate)


def cancel(tx: Connection[Any], *, who: str, ids: Ids) -> Cancelled:
    """End calls: those that wait at once, those that run by killing their slot within a second or
    two. All of them, or none.
    """
    from forecourt.operations import calls

    try:
        waiting, running = calls.cancel(tx, ids, who=who)
    except calls.NotLive as error:
        raise NotFound(str(error)) from None
    return Cancelled(sorted(waiting), sorted(running))


def run_now(tx: Connection[Any], *, who: str, ids: Ids) -> Acted:
    """Make calls ready that wait for their time. One that is not there, or that waits for a place
    in a limit, stays as it is."""
    from forecourt.operations import calls

    wanted = sorted(set(ids))
    count = calls.act(tx, "run-now", "scheduled", wanted, who=who)
    return Acted(count, len(wanted) - count)


def _shown(tx: Connection[Any], found: Found, more: inspection.Inspected) -> Shown:
    masks = definitions.masks(tx)
    mask = masks.get(found.job, ())
    shown = asdict(found) | {"args": hide(found.args, mask), "result": hide(found.result, mask)}
    return Shown(
        **(shown | {"options": _options(found.options, masks)}),
        progress=progress.of(tx, [found.id]).get(found.id),
        chain=more.chain,
        batch=None if more.batch_id is None else inspection.batch(tx, more.batch_id),
        workflow=workflow_progress.of_call(tx, found.id),
        tick=None if more.tick is None else inspection.tick(tx, more.tick),
        trace=more.trace or None,
        cancelled_by=more.cancelled_by,
    )


def _options(options: Any, masks: Mapping[str, Collection[str]]) -> Any:
    """What a call carries besides its arguments: those of the jobs that follow it are as secret as
    theirs.
    """
    match options:
        case {"job": str(job), "args": args, **more}:
            return {"job": job, "args": hide(args, masks.get(job, ())), **_options(more, masks)}
        case dict():
            return {name: _options(inner, masks) for name, inner in options.items()}
        case list():
            return [_options(inner, masks) for inner in options]
        case _:
            return options


def _listed(call: search.Listed, mask: Collection[str]) -> Listed:
    return Listed(
        call.id, call.state, call.job, call.queue, call.attempts, call.created_at, call.at, call.until, call.error, call.message,
        _object(call.args, mask), call.args_size,
    )  # fmt: skip


def _object(text: str | None, mask: Collection[str]) -> dict[str, Any] | None:
    """Arguments of which the beginning was read, if that is all of them."""
    try:
        found = json_text.loads(text or "")
    except ValueError:
        return None
    return hide(found, mask) if isinstance(found, dict) else None
