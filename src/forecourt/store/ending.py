"""The end of a call, in one transaction: its row moves, its tick closes, its batch counts it, and
what was to follow is dispatched.

Calls end through here whether their end is committed with their effects or in a slot's round, so
everything that follows a call follows it exactly once.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from psycopg import Connection

from forecourt.store import awaited, batches, calls, cancel, json_text, running, ticks, waiting, workflows
from forecourt.store.batches import Standing
from forecourt.store.placement import Placement
from forecourt.store.running import Ended, Failed
from forecourt.store.workflows import StepEnd

End: TypeAlias = Ended | Failed


def end(tx: Connection[Any], ends: Sequence[End]) -> set[int]:
    """End these calls. Returns the ids that were still ours; for the others nothing was changed."""
    ours = running.finish(tx, [over for over in ends if isinstance(over, Ended)])
    failed = running.fail(tx, [over for over in ends if isinstance(over, Failed)])
    awaited.tell(tx, sorted(failed))
    ours |= failed
    go_on(tx, [over for over in ends if over.options and over.id in ours])
    return ours


def cancel_waiting(tx: Connection[Any], ids: Sequence[int], who: str) -> set[int]:
    """End calls that wait, due or not, as cancelled. Returns the ids of those that did wait."""
    gone = cancel.waiting(tx, ids, who)
    awaited.tell(tx, [call.id for call in gone])
    go_on(tx, [_unwanted(call.id, call.options, f"cancelled by {who}") for call in gone if call.options])
    return {call.id for call in gone}


def clear(tx: Connection[Any], queue: str) -> int:
    """Remove the calls that wait in a queue, due or not; to whatever counts on them they are
    cancelled. Returns how many.
    """
    count = 0
    followed: list[End] = []
    while cleared := waiting.clear(tx, queue):
        count += len(cleared)
        awaited.tell(tx, [call.id for call in cleared])
        followed += [_unwanted(call.id, call.options, "its queue was cleared") for call in cleared if call.options]
    go_on(tx, followed)  # at last, since what follows may enter the same queue
    return count


def _unwanted(id: int, options: dict[str, Any], why: str) -> Ended:
    return Ended(id, 0, 0.0, "cancelled", json_text.dumps({"why": why}), options=options)


def go_on(tx: Connection[Any], ends: Sequence[End]) -> None:
    """What follows from the ends of these calls, in the transaction that ends them."""
    ticks.close(tx, [_closing(over) for over in ends if "tick" in over.options])
    for over in ends:
        _tell_follower(tx, over)
        _go_on_with_chain(tx, over)
    _count_in_batches(tx, [over for over in ends if "batch" in over.options])
    _go_on_with_workflows(tx, [over for over in ends if "workflow" in over.options])


def _word(over: End) -> str:
    """finished, discarded, cancelled or failed."""
    return over.outcome if isinstance(over, Ended) else "failed"


def _closing(over: End) -> ticks.Closing:
    match over:
        case Ended(outcome="finished"):
            return ticks.Closing(over.id, "succeeded", None, over.result, over.seconds)
        case Ended():
            why = over.outcome if over.result is None else json_text.loads(over.result)["why"]
            return ticks.Closing(over.id, "cancelled", why, None, over.seconds)
        case Failed():
            return ticks.Closing(over.id, "failed", f"{over.error}: {over.message}", None, over.seconds)


def _tell_follower(tx: Connection[Any], over: End) -> None:
    """A task's hooks are a call that follows, told how this one ended."""
    follow = over.options.get("follow")
    if follow is None:
        return
    match over:
        case Ended():
            # Discarded or cancelled is neither success nor failure.
            succeeded = True if over.outcome == "finished" else None
            ended = {"succeeded": succeeded, "error": None, "result": over.result and json_text.loads(over.result)}
        case Failed():
            ended = {"succeeded": False, "error": f"{over.error}: {over.message}", "result": None}
    args = follow["args"] | ended | {"seconds": over.seconds}
    calls.enter(tx, Placement(follow["job"], follow["queue"]), json_text.dumps(args))


def _go_on_with_chain(tx: Connection[Any], over: End) -> None:
    links = over.options.get("chain")
    if links is None or _word(over) == "cancelled":
        return
    catch = over.options.get("catch")
    if isinstance(over, Failed):
        if catch is not None:
            _enter(tx, catch, failure=_failure(over))
    elif links:
        onward = {"chain": links[1:]} | ({"catch": catch} if catch else {})
        _enter(tx, links[0], options=onward)


def _count_in_batches(tx: Connection[Any], ends: Iterable[End]) -> None:
    """Batches in the order of their ids, so that no two transactions wait for each other
    crosswise.
    """
    by_batch: dict[int, list[End]] = {}
    for over in ends:
        by_batch.setdefault(over.options["batch"], []).append(over)
    for id, members in sorted(by_batch.items()):
        words = Counter(map(_word, members))
        standing = batches.count_down(tx, id, ended=len(members), failed=words["failed"], cancelled=words["cancelled"])
        if standing is not None:
            first_failed = next((member for member in members if isinstance(member, Failed)), None)
            _call_back(tx, standing, first_failed if standing.failed == words["failed"] else None)


def _go_on_with_workflows(tx: Connection[Any], ends: Sequence[End]) -> None:
    """The steps that waited for these, and what is to follow a first failure."""
    if not ends:
        return
    failed = {over.options["workflow"]: over for over in ends if isinstance(over, Failed)}
    for id, on_failure in workflows.end(tx, [_step_end(over) for over in ends]):
        if on_failure is not None:
            _enter(tx, on_failure, failure=_failure(failed[id]))


def _step_end(over: End) -> StepEnd:
    word = _word(over)
    state = word if word in ("failed", "cancelled") else "succeeded"  # discarded: the step is left out, not failed
    result = over.result if isinstance(over, Ended) and word == "finished" else None
    return StepEnd(over.options["workflow"], over.options["step"], over.id, state, result)


def _call_back(tx: Connection[Any], standing: Standing, first_failed: Failed | None) -> None:
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


def _failure(failed: Failed) -> dict[str, Any]:
    return {"call": failed.id, "error": failed.error, "message": failed.message}
