"""Why the calls of a queue wait: what decides when they are claimed, in the order in which it
does.
"""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from psycopg import Connection

from forecourt.doctor.work import DEAD
from forecourt.durations import duration
from forecourt.language import gettext as _
from forecourt.language import isolated, listed, marked, some
from forecourt.settings import settings
from forecourt.store import limits, throughput
from forecourt.store.activity import Doing, Worker
from forecourt.store.standing import CAP, Standing

MINUTES = 15
"""Over which the pace is measured."""

A_FEW = 4
"""Jobs, queues and limits that a finding names."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: `well` is False where it holds calls up, None where there is
    nothing to judge.
    """

    about: str
    words: str
    well: bool | None = None


@dataclass(frozen=True, slots=True)
class WhyWaiting:
    """What became of the question for one queue: a sentence, what to do, and all that was looked
    at.
    """

    queue: str
    verdict: str
    advice: str
    findings: tuple[Finding, ...]


def explain(
    tx: Connection[Any], queue: Standing, queues: Sequence[Standing], workers: Sequence[Worker], now: datetime
) -> WhyWaiting:
    """Look at one queue, given how all of them stand and what each worker runs."""
    serving = [
        worker
        for worker in workers
        if queue.queue in worker.queues and worker.silent <= DEAD and not (worker.quiet or worker.stopping)
    ]
    findings = (
        _pause(queue),
        _workers(queue, serving),
        *(_execution(queue, queues, serving, now) if serving else ()),
        *_limits(tx, queue),
        _pace(tx, queue),
    )
    held = next((one for one in findings if one.well is False), None)
    return WhyWaiting(queue.queue, _verdict(queue, held), _advice(queue, held), findings)


def _verdict(queue: Standing, held: Finding | None) -> str:
    if not queue.ready:
        return _("Nothing waits") if held is None or held.about != "limits" else held.words
    waiting = some(queue.ready, "call waits", "calls wait", CAP)
    if held is not None:
        return _("%(calls)s: %(why)s", calls=waiting, why=held.words)
    if _is_behind(queue):
        return _("%(calls)s though slots are free", calls=waiting)
    return _("%(calls)s, and slots work on them", calls=waiting)


def _advice(queue: Standing, held: Finding | None) -> str:
    alone = shlex.join(["forecourt", "queue", "work", "--queue", queue.queue])
    match held and held.about:
        case "pause":
            return shlex.join(["forecourt", "queue", "resume", queue.queue])
        case "workers":
            return alone
        case "order":
            return _("A worker for it alone: %(command)s", command=alone)
        case "slots":
            return _("More slots (--processes) or workers; or pause what is less urgent.")
        case "pace":
            return shlex.join(["forecourt", "queue", "failed", "--queue", queue.queue])
        case None if queue.ready and _is_behind(queue):
            return _("Look at the workers' logs, then: forecourt queue restart")
        case _:
            return ""


def _is_behind(queue: Standing) -> bool:
    return queue.oldest > settings().queue_limit(queue.queue)


def _pause(queue: Standing) -> Finding:
    if queue.paused_by is None:
        return Finding(marked("pause"), _("none"), True)
    words = _("paused by %(who)s", who=queue.paused_by[:60])
    return Finding(marked("pause"), f"{words}: {queue.paused_why[:120]}" if queue.paused_why else words, False)


def _workers(queue: Standing, serving: Sequence[Worker]) -> Finding:
    if serving:
        return Finding(marked("workers"), some(len(serving), "worker serves it", "workers serve it"), True)
    return Finding(marked("workers"), _("nobody serves it"), False if queue.ready else None)


def _execution(
    queue: Standing, queues: Sequence[Standing], serving: Sequence[Worker], now: datetime
) -> tuple[Finding, Finding]:
    busy, slots = sum(worker.busy for worker in serving), sum(worker.slots for worker in serving)
    return _order(queue, queues, serving, is_full=busy >= slots), _slots(busy, slots, serving, now)


def _order(queue: Standing, queues: Sequence[Standing], serving: Sequence[Worker], *, is_full: bool) -> Finding:
    """Whether calls of queues that a worker lists before this one wait: those are claimed first,
    which matters where no slot is free.
    """
    waiting = {one.queue: one for one in queues if one.ready and one.paused_by is None}
    before = [
        [name for name in worker.queues[: worker.queues.index(queue.queue)] if name in waiting] for worker in serving
    ]
    names = list(dict.fromkeys(name for one in before for name in one))
    if not names:
        return Finding(marked("order"), _("no calls come before its own"), True)
    names_with_calls = listed(
        f"{isolated(name)} ({some(waiting[name].ready, 'call', 'calls', CAP)})" for name in names[:A_FEW]
    )
    holds_up = is_full and all(before)
    return Finding(
        marked("order"), _("first come those of %(queues)s", queues=names_with_calls), False if holds_up else None
    )


def _slots(busy: int, slots: int, serving: Sequence[Worker], now: datetime) -> Finding:
    """Whether a slot is free, and which calls those that are not have had for longest."""
    runs = sorted((call for worker in serving for call in worker.runs), key=lambda call: (call.queue, call.job))
    groups = [list(calls) for _key, calls in groupby(runs, key=lambda call: (call.queue, call.job))]
    groups.sort(key=len, reverse=True)
    words = _("%(busy)s of %(slots)s busy", busy=busy, slots=some(slots, "slot", "slots"))
    return Finding(
        marked("slots"), listed([words, *(_described(calls, now) for calls in groups[:A_FEW])]), busy < slots
    )


def _described(calls: Sequence[Doing], now: datetime) -> str:
    first = min(calls, key=lambda call: call.since)
    return _(
        "%(job)s of %(queue)s %(count)s times, call %(id)s for %(time)s",
        job=first.job[:60],
        queue=first.queue[:60],
        count=len(calls),
        id=first.id,
        time=duration((now - first.since).total_seconds()),
    )


def _limits(tx: Connection[Any], queue: Standing) -> Iterator[Finding]:
    held = limits.waiting(tx, queue.queue)
    if held:
        calls = some(sum(held.values()), "call", "calls", limits.MOST)
        words = _("%(calls)s wait for a place: %(limits)s", calls=calls, limits=listed(list(held)[:A_FEW]))
        yield Finding(marked("limits"), words, False)


def _pace(tx: Connection[Any], queue: Standing) -> Finding:
    """What became of its tries, and how long what waits would take like that."""
    pace = throughput.pace(tx, queue.queue, MINUTES)
    words = _(
        "%(done)s done, %(again)s tried again, %(failed)s failed in %(minutes)s min",
        done=f"{pace.done:,}",
        again=f"{pace.again:,}",
        failed=f"{pace.failed:,}",
        minutes=MINUTES,
    )
    if queue.ready and (ended := pace.done + pace.failed):
        takes = duration(60 * MINUTES * queue.ready / ended)
        words = listed([words, _("what waits takes about %(time)s like that", time=takes)])
    return Finding(marked("pace"), words, pace.again + pace.failed <= pace.done if queue.ready and any(pace) else None)
