"""One night: clock and worker start, the rush comes, a slot is killed, every task comes due, all of it is seen to end."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text

from forecourt.database import engine, session
from forecourt.database.engine import libpq_url
from forecourt.database.schema import upgrade
from forecourt.demo.burst import STEPS, Before, Sent, look, send
from forecourt.demo.display import Display
from forecourt.demo.processes import Processes
from forecourt.demo.seed import Scale, begin_night, seed
from forecourt.demo.timetable import usual
from forecourt.settings import settings

LEAD = timedelta(seconds=8)
"""So long before the minute at which all is due the clock is started, at least."""

PATIENCE = timedelta(seconds=45)
"""So long after that minute whatever is not done counts as not done."""

STARTING = 30.0
"""Seconds that clock and worker have to get ready."""

KILL_AFTER = 3
"""Steps that `walk_the_lot` takes before its slot is killed."""

ALONE = text("SELECT pg_try_advisory_lock(hashtext('forecourt.demo'))")
WORKERS = text("SELECT pid, host FROM forecourt.workers WHERE beat_at > now() - interval '12 seconds'")
NEXT_MINUTE = text("SELECT date_trunc('minute', now() + :lead + interval '1 minute')")
WORKER_IS_READY = text("SELECT EXISTS (SELECT FROM forecourt.workers WHERE pid = :pid)")
CLOCK_IS_READY = text(
    """
    SELECT count(*) = cardinality(CAST(:names AS text[])) AS ready, max(evaluated_until) < :due AS in_time
    FROM unnest(CAST(:names AS text[]), CAST(:fingerprints AS text[])) AS tonight(name, fingerprint)
    JOIN forecourt.tasks USING (name, fingerprint)
    """
)
SEEN = text(
    """
    SELECT now() AS now,
           (SELECT sum(views_count) FROM car_listings WHERE deleted_at IS NULL)::bigint AS counted,
           (SELECT count(*)
            FROM forecourt.done
            WHERE finished_at >= :began AND created_at >= :began AND job = 'process_car_images') AS photo_sets,
           (SELECT count(*)
            FROM forecourt.ticks
            WHERE due_at = :due AND task = ANY(:tasks) AND finished_at IS NOT NULL) AS tasks,
           (SELECT count(*) FROM demo.steps WHERE night = :night) AS steps,
           (SELECT pid FROM demo.steps WHERE night = :night ORDER BY step DESC LIMIT 1) AS walker,
           (SELECT count(*) FROM forecourt.ready WHERE created_at >= :began)
           + (SELECT count(*) FROM forecourt.running WHERE created_at >= :began)
           + (SELECT count(*) FROM forecourt.scheduled WHERE created_at >= :began) AS open
    """
)


class Occupied(Exception):
    """Somebody works on this database already."""


@dataclass(frozen=True, slots=True)
class Night:
    """What happened, as far as the database does not know it: what was sent, and what was found before."""

    number: int
    due: datetime
    before: Before
    sent: Sent
    unclean: tuple[str, ...]
    """Processes that did not end in order when asked to."""


def prepare(scale: Scale, display: Display) -> None:
    """Have a database with the schema and the marketplace. Raises NotTheDemos for a database with other data."""
    before, after = upgrade(engine())
    place = "FORECOURT_DATABASE_URL" if settings().database_url else str(settings().var / "postgres")
    display.say(f"PostgreSQL is ready ({place}), " + (f"schema {after}" if before == after else f"migrated to {after}"))
    made = seed(scale, lambda days: display.progress(days_of_events=(days, scale.days)))
    words = f"{scale.providers} providers, {scale.listings:,} listings, {scale.events:,} events of {scale.days} days"
    display.say(f"the marketplace is made: {words}" if made else "the marketplace is there from an earlier night")


def pass_night(scale: Scale, display: Display) -> Night:
    """One whole night, in about a minute and a half. Raises Occupied, and ProcessEnded when clock or worker give up."""
    with _alone(), Processes(settings().var / "demo", _environment()) as processes:
        number = begin_night(scale)
        worker = processes.start("worker", "queue", "work", "--processes", "4", "--sleep", "0.5")
        due = _start_clock(processes)
        _wait_for_worker(processes, worker)
        display.say(f"night {number}: clock and worker run; all tasks are due at {due.astimezone():%H:%M:%S}")
        before = look()
        sent = send(scale, number, display.say)
        _watch(Night(number, due, before, sent, ()), worker, processes, display)
        display.say("clock and worker end in order")
        return Night(number, due, before, sent, tuple(processes.stop()))


def _watch(night: Night, worker: int, processes: Processes, display: Display) -> None:
    """Until all of it is done, or its time is over; on the way, kill the slot that walks the lot."""
    names = [task.name for task in usual]
    facts = {"began": night.before.began, "due": night.due, "tasks": names, "night": night.number}
    killed = 0
    while True:
        processes.require_alive()
        with session() as reader:
            seen = reader.execute(SEEN, facts).one()
        if not killed and seen.steps >= KILL_AFTER and _is_slot(seen.walker, of=worker):
            os.kill(seen.walker, signal.SIGKILL)
            killed = seen.walker
            display.say(f"slot {killed} is killed with SIGKILL after step {seen.steps} of {STEPS}")
        display.progress(
            views=(seen.counted - night.before.counted, night.before.waiting + night.sent.views),
            photo_sets=(seen.photo_sets, len(night.sent.photographed)),
            steps=(seen.steps, STEPS),
            tasks=(seen.tasks, len(names)),
        )
        if (seen.tasks == len(names) and not seen.open) or seen.now > night.due + PATIENCE:
            return
        time.sleep(0.25)


@contextmanager
def _alone() -> Iterator[None]:
    with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.scalars(ALONE).one():
            raise Occupied("another `forecourt demo` is at work on this database; wait for its report")
        for pid, host in connection.execute(WORKERS):
            if host == os.uname().nodename and not _is_alive(pid):
                continue
            raise Occupied(
                f"worker {pid} on {host} is at work on this database; the demo brings its own. "
                "Stop it (Ctrl-C where `forecourt up` runs) and try again"
            )
        yield
        connection.invalidate()  # the lock ends with the connection


def _environment() -> dict[str, str]:
    return {
        "FORECOURT_APP": "forecourt.demo.app:app",
        "FORECOURT_DATABASE_URL": libpq_url(),
        "FORECOURT_LOG_FORMAT": "text",
        "FORECOURT_SMTP_URL": "",  # the people are made up: their mails stay here
    }


def _start_clock(processes: Processes) -> datetime:
    """Start the clock, and return when everything is due: the next full minute for which it is ready in time."""
    while True:
        with session() as reader:
            due: datetime = reader.scalars(NEXT_MINUTE, {"lead": LEAD}).one()
