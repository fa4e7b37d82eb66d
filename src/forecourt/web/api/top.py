"""How everything stands, in one look: what `forecourt top` shows again every few seconds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from psycopg import Connection

from forecourt.store.activity import Worker
from forecourt.store.failure_kinds import Kind
from forecourt.store.standing import Standing

if TYPE_CHECKING:
    from forecourt.app import Forecourt


@dataclass(frozen=True, slots=True)
class Next:
    """When a task is due next."""

    task: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Look:
    """As of `now`: the sentence of the first page, how grave what it says is, the figures under it
    and what else is wrong; queues, workers with what they run, the next due time of each task, and
    what failed for good since midnight in `timezone`, by kind."""

    now: datetime
    timezone: str
    sentence: str
    tone: Literal["well", "late", "failed"]
    under: str
    others: list[str]
    queues: Sequence[Standing]
    workers: Sequence[Worker]
    due: list[Next]
    failures: Sequence[Kind]


def look(tx: Connection[Any], *, app: "Forecourt") -> Look:
    """How everything stands: the verdict, queues, workers, next due times and today's failures."""
    from forecourt.settings import settings
    from forecourt.store import failure_kinds, tasks
    from forecourt.web.facts import gather, midnight
    from forecourt.web.verdict import verdict

    now = tasks.now(tx)
    facts, _ = gather(tx, app, now)
    judged = verdict(facts)
    due = [Next(task.name, task.next_due(now)) for task in app.schedule(tx) if task.runs_in(settings().environment)]
    return Look(
        now=now,
        timezone=settings().timezone,
        sentence=judged.sentence,
        tone="well" if judged.worst is None else judged.worst.tone,
        under=judged.under,
        others=[trouble.words for trouble in judged.others],
        queues=facts.queues,
        workers=facts.workers,
        due=sorted(due, key=lambda one: (one.at, one.task)),
        failures=failure_kinds.kinds(tx, since=midnight(now), limit=10),
    )
