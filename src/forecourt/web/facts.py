"""Gathers what the verdict is made of, for the first page and for the report."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Any

from psycopg import Connection

from forecourt.app import Forecourt
from forecourt.settings import settings
from forecourt.store import activity, pauses, standing, tasks
from forecourt.web.nights import Duty, Span, duties, span, until
from forecourt.web.verdict import Facts


def midnight(now: datetime) -> datetime:
    """When the business day began."""
    zone = settings().zone
    return datetime.combine(now.astimezone(zone).date(), time(), zone)


def a_day_before(now: datetime) -> datetime:
    """Since when the failed calls of a queue are counted."""
    return now - timedelta(hours=24)


def gather(tx: Connection[Any], app: Forecourt, now: datetime, day: Sequence[Duty] | None = None) -> tuple[Facts, Span]:
    """How everything stands now, and the time over which its duties were looked at; `day` are those
    of the whole business day, where they are known.
    """
    began = midnight(now)
    over = span(began.date(), now, settings().zone)
    found = duties(tx, app.schedule(tx), over, now) if day is None else until(day, over.last)
    facts = Facts(
        now=now,
        queues=standing.of_queues(tx, a_day_before(now), app.queues),
        workers=activity.of_workers(tx),
        duties=found,
        liveness=tasks.liveness(tx, timedelta(minutes=5)),
        halted=pauses.in_force(tx).get(("schedule", "")),
        failed=standing.failed_since(tx, began),
    )
    return facts, over
