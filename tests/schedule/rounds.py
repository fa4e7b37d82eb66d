"""Rounds of the clock, told what time it is, and what they leave in the database."""

from datetime import UTC, datetime, timedelta

from fleet import Looking
from forecourt.database import engine, in_transaction_of, session
from forecourt.schedule.clock import Clock
from forecourt.schedule.events import Enqueued, Event
from forecourt.schedule.timetable import Timetable
from forecourt.store import ending

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def clock_of(timetable: Timetable, *, host: str = "a", environment: str = "test") -> Clock:
    """A clock on the test's database."""
    return Clock(timetable, engine(), environment=environment, host=host)


def begun(timetable: Timetable, at: datetime = NOON, **options: str) -> Clock:
    """A clock to which its tasks are known since `at`."""
    clock = clock_of(timetable, **options)
    clock.begin(at)
    return clock


def enqueued(events: list[Event]) -> list[tuple[str, datetime]]:
    """The due times that became calls."""
    return [(event.task, event.due_at) for event in events if isinstance(event, Enqueued)]


def ticks(looking: Looking, task: str = "%") -> list[tuple[str, datetime, str]]:
    """(task, due time, status) of every tick, in order."""
    query = "SELECT task, due_at, status FROM forecourt.ticks WHERE task LIKE %s ORDER BY task, due_at, host"
    return [(name, due_at.astimezone(UTC), status) for name, due_at, status in looking.rows(query, task)]


def why(looking: Looking, task: str, due_at: datetime) -> str:
    """What a tick says about itself."""
    return str(looking.one("SELECT why FROM forecourt.ticks WHERE task = %s AND due_at = %s", task, due_at))


def clear(queue: str = "default") -> None:
    """Remove the calls that wait, as `forecourt queue clear` does."""
    with session() as opened:
        ending.clear(in_transaction_of(opened), queue)
