"""What a round of the clock costs with ten thousand tasks: when none of them is due, and when a
thousand are.

The tasks are entered once, the rounds are told what time it is, and every call that a round should
have made is counted.
"""

import time
from datetime import UTC, datetime, timedelta

import psycopg

from benchmarks.ground import Ground
from benchmarks.jobs import nothing
from benchmarks.measure import Figures, Row, Scale, at_most
from forecourt.database import engine
from forecourt.schedule.clock import Clock
from forecourt.schedule.timetable import Timetable

TASKS = 10_000
DUE = 1_000

BEGUN = datetime(2026, 11, 1, 0, 30, tzinfo=UTC)
HALF_AN_HOUR = timedelta(minutes=30)


def measure(ground: Ground, scale: Scale) -> list[Row]:
    """Wall time of both rounds, and the CPU time that this process spent in them."""
    tasks, due = scale.of(TASKS), scale.of(DUE)
    idle: list[tuple[float, float]] = []
    busy: list[tuple[float, float]] = []
    with ground.fresh() as url, psycopg.connect(url, autocommit=True) as looking:
        clock = Clock(_timetable(tasks, due), engine(), environment="benchmark")
        clock.begin(BEGUN)
        at = BEGUN
        for _ in range(scale.rounds):
            idle.append(_timed(clock, at, 0))
            busy.append(_timed(clock, at + HALF_AN_HOUR, due))
            _finish(looking, due)
            at += 2 * HALF_AN_HOUR
    return [
        at_most(f"a round of the clock, {tasks:,} tasks, none due", 20, _wall(idle), _cpu(idle)),
        at_most(f"a round of the clock, {tasks:,} tasks, {due:,} due", 300, _wall(busy), _cpu(busy)),
    ]


def _timetable(tasks: int, due: int) -> Timetable:
    """Tasks that are due at each full hour, and others that are not until the month ends."""
    timetable = Timetable("UTC")
    for number in range(tasks):
        task = timetable.add(nothing, name=f"task {number}", n=number)
        if number < due:
            task.hourly()
        else:
            task.monthly_on(30, f"{number % 24}:{number % 60}")
    return timetable


def _timed(clock: Clock, at: datetime, expected: int) -> tuple[float, float]:
    """One round: milliseconds on the wall, and of CPU in this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    events = clock.run_once(at)
    took = time.perf_counter() - wall, time.process_time() - cpu
    assert len(events) == expected, f"{len(events)} of {expected} due times"
    return took[0] * 1000, took[1] * 1000


def _finish(looking: psycopg.Connection[tuple[int, ...]], expected: int) -> None:
    """Every due time has its call; then the calls end, so that none holds its task in the next
    round.
    """
    found = looking.execute(
        "SELECT count(*) FROM forecourt.ticks AS t JOIN forecourt.ready AS r ON r.id = t.call_id"
    ).fetchall()[0][0]
    assert found == expected, f"{found} of {expected} calls"
    looking.execute("TRUNCATE forecourt.ready")
    looking.execute("UPDATE forecourt.ticks SET status = 'succeeded', finished_at = now() WHERE finished_at IS NULL")
    looking.execute("VACUUM ANALYZE forecourt.ticks")


def _wall(measured: list[tuple[float, float]]) -> Figures:
    return Figures(tuple(wall for wall, _ in measured), " ms")


def _cpu(measured: list[tuple[float, float]]) -> str:
    return f"no peer; CPU of the clock's process {Figures(tuple(cpu for _, cpu in measured), ' ms')}"
