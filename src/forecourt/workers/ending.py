"""The end of a call, in one transaction: its row moves, its tick closes, its batch counts it, and what was to follow is dispatched.

Both the slot (for jobs with a session) and the completer (for all others) end calls through here, so everything that follows a call
follows it exactly once.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from psycopg import Connection

from forecourt.store import batches, calls, cancel, json_text, running, ticks, waiting
from forecourt.store.batches import Standing
from forecourt.store.calls import Placement
from forecourt.store.running import Ended, Lost


class Ending(NamedTuple):
    """A call that is over, for better or worse, with the options of its row and the seconds that it ran."""

    call: Ended | Lost
    options: dict[str, Any]
    seconds: float

    @property
    def word(self) -> str:
        """finished, discarded, cancelled or failed."""
        return self.call.outcome if isinstance(self.call, Ended) else "failed"


def end(tx: Connection[Any], endings: Sequence[Ending], *, within: str = "") -> set[int]:
    """End these calls. Returns the ids that were still ours; for the others nothing was changed. `within`: the mark of the attempt
    whose transaction this must be, for a slot that ends calls together with their effects."""
    ours = running.finish(tx, [ending.call for ending in endings if isinstance(ending.call, Ended)], within)
    ours |= running.fail(tx, [ending.call for ending in endings if isinstance(ending.call, Lost)])
    _go_on(tx, [ending for ending in endings if ending.options and ending.call.id in ours])
    return ours


def cancel_waiting(tx: Connection[Any], ids: Sequence[int], who: str) -> set[int]:
    """End calls that wait, due or not, as cancelled. Returns the ids of those that did wait."""
    gone = cancel.waiting(tx, ids, who)
    _go_on(tx, [_unwanted(call.id, call.options, f"cancelled by {who}") for call in gone if call.options])
    return {call.id for call in gone}


def clear(tx: Connection[Any], queue: str) -> int:
    """Remove the calls that wait in a queue, due or not; to whatever counts on them they are cancelled. Returns how many."""
    count = 0
    followed: list[Ending] = []
    while cleared := waiting.clear(tx, queue):
        count += len(cleared)
        followed += [_unwanted(call.id, call.options, "its queue was cleared") for call in cleared if call.options]
    _go_on(tx, followed)  # at last, since what follows may enter the same queue
    return count


def _unwanted(id: int, options: dict[str, Any], why: str) -> Ending:
    return Ending(Ended(id, 0, 0.0, "cancelled", json_text.dumps({"why": why})), options, 0.0)


def _go_on(tx: Connection[Any], endings: Sequence[Ending]) -> None:
    """What follows from the ends of these calls, in the transaction that ends them."""
    ticks.close(tx, [_closing(ending) for ending in endings if "tick" in ending.options])
    for ending in endings:
        _tell_follower(tx, ending)
        _go_on_with_chain(tx, ending)
    _count_in_batches(tx, [ending for ending in endings if "batch" in ending.options])


def _closing(ending: Ending) -> ticks.Closing:
    match ending.call:
        case Ended(id=id, outcome="finished", result=result):
            return ticks.Closing(id, "succeeded", None, result, ending.seconds)
        case Ended(id=id, outcome=outcome, result=result):
            why = json_text.loads(result)["why"] if result is not None else outcome
            return ticks.Closing(id, "cancelled", why, None, ending.seconds)
        case Lost(id=id, error=error, message=message):
            return ticks.Closing(id, "failed", f"{error}: {message}", None, ending.seconds)


def _tell_follower(tx: Connection[Any], ending: Ending) -> None:
    """A task's hooks are a call that follows, told how this one ended."""
    follow = ending.options.get("follow")
    if follow is None:
        return
    match ending.call:
        case Ended(result=result):
            succeeded = (
                True if ending.word == "finished" else None
            )  # discarded or cancelled: neither success nor failure
            ended = {"succeeded": succeeded, "error": None, "result": result and json_text.loads(result)}
        case Lost(error=error, message=message):
            ended = {"succeeded": False, "error": f"{error}: {message}", "result": None}
    args = follow["args"] | ended | {"seconds": ending.seconds}
    calls.enter(tx, Placement(follow["job"], follow["queue"]), json_text.dumps(args))


def _go_on_with_chain(tx: Connection[Any], ending: Ending) -> None:
    links = ending.options.get("chain")
    if links is None or ending.word == "cancelled":
        return
    catch = ending.options.get("catch")
    if ending.word == "failed":
        if catch is not None:
            _enter(tx, catch, failure=_failure(ending))
    elif links:
        onward = {"chain": links[1:]} | ({"catch": catch} if catch else {})
        _enter(tx, links[0], options=onward)


def _count_in_batches(tx: Connection[Any], endings: Iterable[Ending]) -> None:
    """Batches in the order of their ids, so that no two transactions wait for each other crosswise."""
    by_batch: dict[int, list[Ending]] = {}
    for ending in endings:
        by_batch.setdefault(ending.options["batch"], []).append(ending)
    for id, members in sorted(by_batch.items()):
        words = Counter(member.word for member in members)
        standing = batches.count_down(tx, id, ended=len(members), failed=words["failed"], cancelled=words["cancelled"])
        if standing is not None:
            first_failed = next((member for member in members if member.word == "failed"), None)
            _call_back(tx, standing, first_failed if standing.failed == words["failed"] else None)


def _call_back(tx: Connection[Any], standing: Standing, first_failed: Ending | None) -> None:
    """Dispatch the callbacks that have just become due."""
    told = {
        "id": standing.id,
        "name": standing.name,
        "total": standing.total,
        "failed": standing.failed,
        "cancelled": standing.cancelled,
    }
    if standing.on_failure is not None and first_failed is not None:
        _enter(tx, standing.on_failure, batch=told, failure=_failure(first_failed))
    if standing.pending == 0:
        if standing.on_success is not None and standing.failed == standing.cancelled == 0:
            _enter(tx, standing.on_success, batch=told)
        if standing.at_last is not None:
            _enter(tx, standing.at_last, batch=told)


def _enter(tx: Connection[Any], plan: dict[str, Any], options: dict[str, Any] | None = None, **told: Any) -> None:
    args = plan["args"] | {name: told[name] for name in plan["told"] if name in told}
    placement = Placement(plan["job"], plan["queue"], plan["priority"], options=options)
    calls.enter(tx, placement, json_text.dumps(args))


def _failure(ending: Ending) -> dict[str, Any]:
    assert isinstance(ending.call, Lost)
    return {"call": ending.call.id, "error": ending.call.error, "message": ending.call.message}
