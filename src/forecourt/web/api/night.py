"""A night, for whoever slept: what each duty did, what was late, slow or failed, and what is still
to come.
"""

from dataclasses import dataclass
from datetime import date as day_type
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Literal

from psycopg import Connection

from forecourt.web.api.errors import Unreadable

if TYPE_CHECKING:
    from forecourt.app import Forecourt
    from forecourt.web.nights import Duty
    from forecourt.web.verdict import Facts


@dataclass(frozen=True, slots=True)
class Row:
    """A due time of a duty, or a pulse as a whole: how it stands in a word, how many seconds it
    took and usually takes, what it did or will probably do."""

    task: str
    due: datetime | None
    state: str
    took: float | None
    usually: float | None
    did: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Calls of a job that failed for good with an error in that night."""

    error: str
    job: str
    calls: int
    last: datetime
    message: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is not as it should be, as the end of a sentence."""

    tone: Literal["failed", "late"]
    words: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How everything stands now: the sentence of the first page, the figures under it, and every
    trouble, the worst first.
    """

    sentence: str
    under: str
    troubles: list[Trouble]


@dataclass(frozen=True, slots=True)
class Night:
    """A business day in the zone of the house. `sentence` is about now, and so only there for
    today.
    """

    date: day_type
    timezone: str
    sentence: str | None
    standing: Standing | None
    duties: list[Row]
    failures: list[Failure]


def overview(tx: Connection[Any], *, app: "Forecourt") -> Standing:
    """Does the night go well, and if not, what is wrong."""
    from forecourt.store import tasks
    from forecourt.web.facts import gather

    return _standing(gather(tx, app, tasks.now(tx))[0])


def night(tx: Connection[Any], *, app: "Forecourt", date: day_type | None = None) -> Night:
    """What each duty of a business day did, what was late, slow or failed, which calls failed, what
    is to come. Today without a date."""
    from forecourt.settings import settings
    from forecourt.store import failure_kinds, tasks
    from forecourt.web.facts import gather, midnight
    from forecourt.web.nights import beside_history, duties, span

    zone, now = settings().zone, tasks.now(tx)
    today = midnight(now).date()
    chosen = today if date is None else date
    if not day_type(1970, 1, 2) < chosen < today + timedelta(days=366):
        raise Unreadable(f"date: nothing is known of {chosen}")
    first = datetime.combine(chosen, time(), zone)
    last = datetime.combine(chosen + timedelta(days=1), time(), zone)
    over = span(chosen, last, zone)
    found = duties(tx, app.schedule(tx), over, now)
    kinds = failure_kinds.kinds(tx, since=first, until=last, limit=50)
    # Before ten the first page looks at the night alone, and after that at the day, as this does.
    standing = _standing(gather(tx, app, now, day=found)[0]) if chosen == today else None
    return Night(
        chosen,
        settings().timezone,
        None if standing is None else standing.sentence,
        standing,
        [row for duty in beside_history(tx, found, over) for row in _rows(duty, now)],
        [Failure(kind.error, kind.job, kind.calls, kind.last, kind.message) for kind in kinds],
    )


def _standing(facts: "Facts") -> Standing:
    from forecourt.web.verdict import verdict

    found = verdict(facts)
    troubles = [found.worst, *found.others] if found.worst else found.others
    return Standing(found.sentence, found.under, [Trouble(trouble.tone, trouble.words) for trouble in troubles])


def _rows(duty: "Duty", now: datetime) -> list[Row]:
    from forecourt.web import words

    usual, name = duty.usual, duty.task.name
    if duty.often:
        wrong = [run for run in duty.runs if run.status not in ("succeeded", "enqueued")]
        did = f"{len(duty.runs)} runs looked at, {len(wrong)} not well"
        return [Row(name, duty.runs[-1].due_at if duty.runs else None, duty.standing(now), None, usual, did)]
    ran = [
        Row(
            name, run.due_at,
            duty.standing(now) if run is duty.latest else "slow" if duty.is_slow(run) else run.status,
            run.seconds, usual, run.why or words.did(run.output),
        )
        for run in duty.runs
    ]  # fmt: skip
    to_come = [Row(name, at, "paused" if duty.pause else "to come", None, usual, duty.expected) for at in duty.to_come]
    return ran + to_come
