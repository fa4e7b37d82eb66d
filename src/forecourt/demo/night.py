"""One night: clock and worker start, the rush comes, a slot is killed, every task comes due, all of
it is seen to end.
"""

import os
import signal
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import text

from forecourt.database import engine, session
from forecourt.database.schema import upgrade
from forecourt.demo.burst import STEPS, Before, Sent, look, send
from forecourt.demo.display import Display
from forecourt.demo.processes import Processes
from forecourt.demo.seed import Scale, begin_night, require_ours, seed
from forecourt.demo.staff import alone, staff, start_clock, start_web, start_worker
from forecourt.demo.timetable import usual
from forecourt.settings import settings

PATIENCE = timedelta(seconds=45)
"""So long after the minute at which all is due, whatever is not done counts as not done."""

KILL_AFTER = 3
"""Steps that `walk_the_lot` takes before its slot is killed."""

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


@dataclass(frozen=True, slots=True)
class Night:
    """What the database alone cannot tell of a night: when all was due, what was there before, and
    what was sent.
    """

    number: int
    due: datetime
    before: Before
    sent: Sent


def pass_night(scale: Scale, display: Display) -> Night:
    """One whole night, in up to two minutes. Before the first one the marketplace is made.

    Raises NotTheDemos and Occupied, and then no data was changed; ProcessEnded when one of
    its processes gives up; and KeyboardInterrupt, with nothing left behind.
    """
    require_ours()
    _, version = upgrade(engine())
    place = "FORECOURT_DATABASE_URL" if settings().database_url else settings().var / "postgres"
    display.say(f"PostgreSQL is ready ({place}), schema {version}")
    with alone():
        made = seed(scale, lambda days: display.progress(days_of_events=(days, scale.days)))
        words = (
            f"{scale.providers:,} providers, {scale.listings:,} listings, {scale.events:,} events of {scale.days} days"
        )
        display.say(f"the marketplace is made: {words}" if made else "the marketplace is there from an earlier night")
        number = begin_night(scale)
        with staff() as processes:
            port = start_web(processes)
            worker = start_worker(processes)
            due = start_clock(processes)
            display.say(f"night {number}: clock and worker run, and all tasks are due at {due.astimezone():%H:%M:%S}")
            try:
                before = look()
                night = Night(number, due, before, send(scale, number, port, display.say))
                _watch(night, worker, processes, display)
            finally:
                display.say("clock and worker are asked to end, and get the time they need; Ctrl-C kills them")
        return night


def _watch(night: Night, worker: int, processes: Processes, display: Display) -> None:
    """Until all of it is done, or its time is over; on the way, kill the slot that walks the
    lot.
    """
    tasks = [task.name for task in usual]
    facts = {"began": night.before.began, "due": night.due, "tasks": tasks, "night": night.number}
    wait = int((night.due - night.before.began).total_seconds())
    killed = False
    while True:
        processes.check()
        with session() as reader:
            seen = reader.execute(SEEN, facts).one()
        if not killed and seen.steps >= KILL_AFTER and _is_slot(seen.walker, of=worker):
            os.kill(seen.walker, signal.SIGKILL)
            killed = True
            display.say(f"slot {seen.walker} is killed with SIGKILL after step {seen.steps} of {STEPS}")
        display.progress(
            views=(seen.counted - night.before.counted, night.before.waiting + night.sent.views),
            photo_sets=(seen.photo_sets, len(night.sent.photographed)),
            steps=(seen.steps, STEPS),
            seconds_to_wait=(min(int((seen.now - night.before.began).total_seconds()), wait), wait),
            tasks=(seen.tasks, len(tasks)),
        )
        if (seen.tasks == len(tasks) and not seen.open) or seen.now > night.due + PATIENCE:
            return
        time.sleep(0.25)


def _is_slot(pid: int, *, of: int) -> bool:
    """Whether the process is a slot of that worker: a child of its fork server. True where the
    system does not tell.
    """
    if not Path("/proc/self/stat").exists():
        return True
    return _parent(_parent(pid)) == of


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
