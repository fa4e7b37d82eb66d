"""Old events to Parquet, verified and dropped, beside a plain COPY of the same rows to a file."""

import os
import time
from pathlib import Path

import psycopg
from sqlalchemy import text

from benchmarks.apart import apart
from benchmarks.ground import Ground
from benchmarks.market import days_ago, have_events
from benchmarks.measure import Figures, Row, Scale, at_least, at_most, in_turn, ratios
from forecourt.database import session
from forecourt.marketplace.archive import archive_old_analytics

EVENTS = 1_000_000
LISTINGS = 50_000
DAYS = 4

# Binary was measured too, and is slower: 48 bytes of headers a row.
COPY = """
COPY (
    SELECT id, car_listing_id, event_type, user_ip, created_at
    FROM car_listing_analytics
) TO STDOUT
"""


ROLLED_UP = text(
    """
    INSERT INTO analytics_days (date, events)
    SELECT DISTINCT (created_at AT TIME ZONE 'UTC')::date, CAST(:events AS bigint) FROM car_listing_analytics
    ON CONFLICT (date) DO NOTHING
    """
)


def measure(ground: Ground, scale: Scale) -> list[Row]:
    """Each round begins with the same events in the partitions of four days, 200 days ago, which
    were rolled up in their time.
    """
    a_day = scale.of(EVENTS // DAYS)
    events = DAYS * a_day
    peaks: list[float] = []
    with ground.fresh() as url, psycopg.connect(url, autocommit=True) as connection:

        def ours() -> float:
            connection.execute("CHECKPOINT")
            seconds, peak = apart(_ours, events)
            assert connection.execute("SELECT count(*) FROM car_listing_analytics").fetchone() == (0,)
            peaks.append(peak)
            return events / seconds

        def copy() -> float:
            _fill(connection, a_day)
            return events / _copy(connection, ground.folder / "copy")

        copied, mine = in_turn(scale.rounds, copy, ours)
    memory = Figures(tuple(peaks), " MB")
    return [
        at_least(
            "archive",
            0.5,
            ratios(mine, copied),
            f"{events:,} events to Parquet, read back, compared and dropped: {Figures(mine, '/s')}; "
            f"COPY of the same rows to a file {Figures(copied, '/s')}",
            "a plain COPY",
        ),
        at_most("archive: memory", 250, memory, f"peak of the process, {events:,} events"),
    ]


def _fill(connection: psycopg.Connection, a_day: int) -> None:
    with session() as tx:
        for days in range(200, 200 + DAYS):
            have_events(tx, days_ago(tx, days), a_day, LISTINGS)
        tx.execute(ROLLED_UP, {"events": a_day})
    connection.execute("TRUNCATE analytics_archives")
    connection.execute("VACUUM (ANALYZE) car_listing_analytics")


def _copy(connection: psycopg.Connection, path: Path) -> float:
    connection.execute("CHECKPOINT")
    begun = time.perf_counter()
    with path.open("wb") as out:
        with connection.cursor().copy(COPY) as pieces:
            for piece in pieces:
                out.write(piece)
        out.flush()
        os.fsync(out.fileno())
    return time.perf_counter() - begun


def _ours(events: int) -> float:
    begun = time.perf_counter()
    counts = archive_old_analytics()
    seconds = time.perf_counter() - begun
    assert counts["events"] == events, f"{counts['events']} of {events} events"
    return seconds
