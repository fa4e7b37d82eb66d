"""A slot's first act, where another one died: what that one had ended is written, what it had not
begun goes back, and what its death means for the call that it was running is decided by the call's
policy."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from forecourt.jobs.outcome import BY_NAME, FINISHED, Interrupted, SlotDied
from forecourt.slots import markers
from forecourt.slots.completion import Completion
from forecourt.slots.markers import Marked, Page
from forecourt.slots.messages import Death
from forecourt.slots.rounds import Rounds
from forecourt.store.ready import Claimed


@dataclass(frozen=True, slots=True)
class Estate:
    """What a dead slot left: calls that are over, calls that it had not begun, and calls of which
    one is to blame for its death while nobody knows which: they run one by one."""

    over: list[Completion]
    untouched: list[Claimed]
    suspects: list[Claimed]


def inherit(rounds: Rounds, page: Page, death: Death) -> list[Claimed]:
    """Settle a dead slot's estate, and return the calls that run one by one now. May be repeated
    until it succeeds.
    """
    estate = divide(page, {call.token: call for call in rounds.take_over()}, death)
    rounds.settle(estate.over, estate.untouched, page.words[markers.PID])
    page.words[markers.ENDED] += len(estate.over)
    page.words[markers.CLAIMED] -= len(estate.untouched)
    page.clear()
    page.words[markers.SETTLED] += 1
    return estate.suspects


def divide(page: Page, held: dict[int, Claimed], death: Death) -> Estate:
    """The estate, from the slot's page and from what the database holds under its name, by
    token.
    """
    journal = {line[0]: line for line in map(orjson.loads, page.journaled())}
    over: list[Completion] = []
    untouched: list[Claimed] = []
    running: list[tuple[Marked, Claimed]] = []
    for marked in page.held():
        call = held.pop(marked.token, None)
        if call is None:
            continue
        match marked.state:
            case markers.FINISHED:
                over.append(Completion(call, FINISHED, marked.seconds))
            case markers.JOURNALED:
                over.append(_read(call, journal[marked.token]))
            case _ if marked.began:
                running.append((marked, call))
            case _:
                untouched.append(call)
    untouched += held.values()  # claimed by a commit after which it came to nothing more
    if isinstance(death.outcome, SlotDied) and len(running) > 1:
        return Estate(over, untouched, [call for _, call in running])
    now = time.monotonic_ns()
    for marked, call in running:
        outcome = death.outcome
        if death.tokens and marked.token not in death.tokens:
            outcome = Interrupted("a call beside it in its slot was ended")
        over.append(Completion(call, outcome, (now - marked.began) / 1e9))
    return Estate(over, untouched, [])


def entry(completion: Completion) -> bytes:
    """A line for the journal."""
    call, outcome, seconds, log = completion
    fields = [getattr(outcome, name) for name in outcome.__slots__]
    return orjson.dumps((call.token, seconds, log, type(outcome).__name__, fields), option=orjson.OPT_APPEND_NEWLINE)


def _read(call: Claimed, line: list[Any]) -> Completion:
    kinds: Mapping[str, type[Any]] = BY_NAME
    _, seconds, log, kind, fields = line
    return Completion(call, kinds[kind](*fields), seconds, tuple(log))
