"""Queues: how long they are; halting, resuming and clearing them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection

from forecourt.durations import LONGEST
from forecourt.store import overview, tasks
from forecourt.store.overview import QueueSize
from forecourt.web.api.errors import NotFound, Unreadable
from forecourt.web.api.parameters import Name, Names, Words


@dataclass(frozen=True, slots=True)
class Paused:
    """What was halted, and until when; None means until somebody resumes it. `warning`: what
    whoever asked should know.
    """

    kind: str
    name: str
    until: datetime | None
    warning: str | None = None


@dataclass(frozen=True, slots=True)
class LookedAt:
    """One thing that decides when calls are claimed: `well` is false where it holds them up, None
    where there is nothing to judge.
    """

    about: str
    words: str
    well: bool | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a queue's calls wait, what to do about it, and everything that was looked at."""

    queue: str
    verdict: str
    advice: str
    findings: list[LookedAt]


@dataclass(frozen=True, slots=True)
class Resumed:
    """What goes on."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Removed:
    """How many calls were removed for good."""

    removed: int


def sizes(tx: Connection[Any], *, queues: Names = ()) -> list[QueueSize]:
    """How many calls are ready, running, scheduled and failed, by queue: of all queues, or of those
    that are named.
    """
    return [size for size in overview.sizes(tx, queues) if not queues or size.queue in queues]


def explain(tx: Connection[Any], *, queue: Name) -> Explanation:
    """Why the calls of a queue wait: its pause, workers, what comes before, slots, limits, pace."""
    from forecourt.doctor import why_waiting
    from forecourt.store import activity, standing

    now = tasks.now(tx)
    queues = standing.of_queues(tx, now)
    found = next((one for one in queues if one.queue == queue), None)
    if found is None:
        raise NotFound(unknown(tx, queue) or f"no call of queue {queue!r} waits, and no job uses it")
    why = why_waiting.explain(tx, found, queues, activity.of_workers(tx), now)
    findings = [LookedAt(one.about, one.words, one.well) for one in why.findings]
    return Explanation(why.queue, why.verdict, why.advice, findings)


def pause(tx: Connection[Any], *, who: str, queue: Name, until: datetime | None = None, why: Words = "") -> Paused:
    """Let nobody claim from a queue. What runs goes on; what comes waits."""
    from forecourt.jobs.option_values import typable
    from forecourt.operations import pausing

    require_future(tx, until)
    try:
        typable(queue, "queue", without=",")
    except ValueError as error:
        raise Unreadable(str(error)) from None
    warning = unknown(tx, queue)
    pausing.pause(tx, "queue", queue, until=until, why=why, who=who)
    return Paused("queue", queue, until, warning)


def resume(tx: Connection[Any], *, who: str, queue: Name) -> Resumed:
    """Let workers claim from a queue again."""
    from forecourt.operations import pausing

    if not pausing.resume(tx, "queue", queue, who=who):
        raise NotFound(f"queue {queue!r} is not paused")
    return Resumed("queue", queue)


def clear(tx: Connection[Any], *, who: str, queue: Name) -> Removed:
    """Remove every waiting call of a queue, due or not. What runs goes on."""
    from forecourt.operations import calls

    return Removed(calls.clear(tx, queue, who=who))


def unknown(tx: Connection[Any], queue: str) -> str | None:
    """Words when nobody has ever used a queue of this name: it is probably misspelled, and may be
    meant for later.
    """
    known: Sequence[str] = overview.queues(tx)
    if queue in known:
        return None
    return f"no job uses a queue named {queue!r}; there is {', '.join(known) or 'none yet'}"


def require_future(tx: Connection[Any], until: datetime | None) -> None:
    """Raise Unreadable for the end of a pause that is over already, by the database's clock, or
    lies so far ahead that some zone's calendar has no such day.
    """
    if until is None:
        return
    ahead = (until - tasks.now(tx)).total_seconds()
    if ahead <= 0:
        raise Unreadable(f"until: {until.isoformat()} is in the past")
    if ahead > LONGEST:
        raise Unreadable(f"until: {until.isoformat()} is more than a hundred years ahead; without it somebody resumes")
