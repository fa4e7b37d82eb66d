"""The end of a call, in one transaction: its row moves, its tick closes, and what was to follow it is dispatched.

Both the slot (for jobs with a session) and the completer (for all others) end calls through here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from psycopg import Connection

from forecourt.store import calls, running, ticks
from forecourt.store.calls import Placement
from forecourt.store.running import Ended, Lost


@dataclass(frozen=True, slots=True)
class Ending:
    """A call that is over, for better or worse, with the options of its row and the seconds that it ran."""

    call: Ended | Lost
    options: dict[str, Any]
    seconds: float


def end(tx: Connection[Any], endings: Sequence[Ending]) -> set[int]:
    """End these calls. Returns the ids that were still ours; for the others nothing was changed."""
    ours = running.finish(tx, [ending.call for ending in endings if isinstance(ending.call, Ended)])
    ours |= running.fail(tx, [ending.call for ending in endings if isinstance(ending.call, Lost)])
    marked = [ending for ending in endings if ending.options and ending.call.id in ours]
    if marked:
        ticks.close(tx, [_closing(ending) for ending in marked if "tick" in ending.options])
        for ending in marked:
            _follow_up(tx, ending)
    return ours


def _closing(ending: Ending) -> ticks.Closing:
    match ending.call:
        case Ended(id=id, outcome="finished", result=result):
            return ticks.Closing(id, "succeeded", None, result, ending.seconds)
        case Ended(id=id, outcome=outcome, result=result):
            return ticks.Closing(id, "cancelled", outcome, result, ending.seconds)
        case Lost(id=id, error=error, message=message):
            return ticks.Closing(id, "failed", f"{error}: {message}", None, ending.seconds)


def _follow_up(tx: Connection[Any], ending: Ending) -> None:
    """Dispatch the call that was to follow, told how this one ended."""
    follow = ending.options.get("follow")
    if follow is None:
        return
    match ending.call:
        case Ended(result=result):
            ended = {"succeeded": True, "error": None, "result": result and orjson.loads(result)}
        case Lost(error=error, message=message):
            ended = {"succeeded": False, "error": f"{error}: {message}", "result": None}
    args = follow["args"] | ended | {"seconds": ending.seconds}
    calls.enter(tx, Placement(follow["job"], follow["queue"]), orjson.dumps(args).decode())
