"""The daily roll-up, beside the reference's loop of queries and beside the best single
statement.
"""

import time
from datetime import date

import psycopg

from benchmarks.ground import Ground
from benchmarks.market import DAY, days_ago, have_events
from benchmarks.measure import Figures, Row, Scale, at_least, at_most, in_turn, ratios
from forecourt.database import session
from forecourt.marketplace.analytics import aggregate_daily_analytics

EVENTS = 2_000_000
LISTINGS = 50_000
SAMPLE = 1_000
"""Listings of which the reference's loop is measured; its time for all of them is computed from
that.
"""

# The reference's tables as its framework's migrations would make them: plain, with the index that
# its loop needs.
PEERS = """
CREATE SCHEMA peer;
CREATE TABLE peer.car_listing_analytics AS SELECT * FROM car_listing_analytics;
ALTER TABLE peer.car_listing_analytics ADD PRIMARY KEY (id);
CREATE INDEX ON peer.car_listing_analytics (car_listing_id);
CREATE TABLE peer.car_listing_daily_stats (
    id bigserial PRIMARY KEY,
    car_listing_id bigint NOT NULL,
    date date NOT NULL,
    total_views bigint NOT NULL DEFAULT 0,
    unique_visitors bigint NOT NULL DEFAULT 0,
    contact_phone_clicks bigint NOT NULL DEFAULT 0,
    contact_whatsapp_clicks bigint NOT NULL DEFAULT 0,
    favorites bigint NOT NULL DEFAULT 0,
    shares bigint NOT NULL DEFAULT 0,
    created_at timestamp(0),
    updated_at timestamp(0),
    UNIQUE (car_listing_id, date)
);
CREATE TABLE peer.stats (LIKE car_listing_daily_stats INCLUDING ALL);
"""

# What `whereDate`, `distinct`, `pluck`, `first` and `updateOrCreate` send to PostgreSQL. Its
# framework prepares each query anew, so the connection keeps no plans.
WITH_ACTIVITY = "SELECT DISTINCT car_listing_id FROM peer.car_listing_analytics WHERE created_at::date = %s"
OF_LISTING = """
SELECT COUNT(*) as total_events,
       SUM(CASE WHEN event_type = 'view' THEN 1 ELSE 0 END) as total_views,
       COUNT(DISTINCT user_ip) as unique_visitors,
       SUM(CASE WHEN event_type = 'contact_phone' THEN 1 ELSE 0 END) as contact_phone_clicks,
       SUM(CASE WHEN event_type = 'contact_whatsapp' THEN 1 ELSE 0 END) as contact_whatsapp_clicks,
       SUM(CASE WHEN event_type = 'favorite' THEN 1 ELSE 0 END) as favorites,
       SUM(CASE WHEN event_type = 'share' THEN 1 ELSE 0 END) as shares
FROM peer.car_listing_analytics
WHERE car_listing_id = %s AND created_at::date = %s
LIMIT 1
"""
THERE = "SELECT * FROM peer.car_listing_daily_stats WHERE car_listing_id = %s AND date = %s LIMIT 1"
CREATE = """
INSERT INTO peer.car_listing_daily_stats (
    car_listing_id, date, total_views, unique_visitors, contact_phone_clicks, contact_whatsapp_clicks, favorites,
    shares, updated_at, created_at
)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, now(), now())
RETURNING id
"""

STATEMENT = """
INSERT INTO peer.stats AS stats (
    date, car_listing_id, total_views, unique_visitors, contact_phone_clicks, contact_whatsapp_clicks, favorites,
    shares, total_events
)
SELECT %(day)s::date,
       car_listing_id,
       count(*) FILTER (WHERE event_type = 'view'),
       count(DISTINCT user_ip),
       count(*) FILTER (WHERE event_type = 'contact_phone'),
       count(*) FILTER (WHERE event_type = 'contact_whatsapp'),
       count(*) FILTER (WHERE event_type = 'favorite'),
       count(*) FILTER (WHERE event_type = 'share'),
       count(*)
FROM car_listing_analytics
WHERE created_at >= %(day)s::date AT TIME ZONE 'UTC'
  AND created_at < (%(day)s::date + 1) AT TIME ZONE 'UTC'
GROUP BY car_listing_id
ON CONFLICT (car_listing_id, date) DO UPDATE
SET total_views = excluded.total_views,
    unique_visitors = excluded.unique_visitors,
    contact_phone_clicks = excluded.contact_phone_clicks,
    contact_whatsapp_clicks = excluded.contact_whatsapp_clicks,
    favorites = excluded.favorites,
    shares = excluded.shares,
    total_events = excluded.total_events
WHERE (stats.*) IS DISTINCT FROM (excluded.*)
"""

DIFFERENT = """
SELECT count(*)
FROM (
    (TABLE car_listing_daily_stats EXCEPT TABLE peer.stats)
    UNION ALL
    (TABLE peer.stats EXCEPT TABLE car_listing_daily_stats)
) AS different
"""
REFERENCE_DIFFERENT = """
SELECT count(*)
FROM peer.car_listing_daily_stats AS theirs
LEFT JOIN car_listing_daily_stats AS ours USING (
    car_listing_id, date, total_views, unique_visitors, contact_phone_clicks, contact_whatsapp_clicks, favorites, shares
)
WHERE ours.car_listing_id IS NULL
"""
VERSIONS = "SELECT ctid, xmin, xmax FROM car_listing_daily_stats ORDER BY ctid"


def measure(ground: Ground, scale: Scale) -> list[Row]:
    """The whole size in one day, with nothing before it; then as much spread over ten days, the
    last of which is rolled up.
    """
    return _one_day(ground, scale) + _ten_days(ground, scale)


def _one_day(ground: Ground, scale: Scale) -> list[Row]:
    """Each round starts without stats; all sides read the same events, and their rows are
    compared.
    """
    events, listings = scale.of(EVENTS), scale.of(LISTINGS)
    again: list[float] = []
    single_again: list[float] = []
    with ground.fresh() as url, psycopg.connect(url, autocommit=True, prepare_threshold=None) as connection:
        day = _filled(connection, 1, events, listings)

        def ours() -> float:
            _empty(connection, "car_listing_daily_stats", "analytics_days")
            seconds = _roll_up(events)
            before = connection.execute(VERSIONS).fetchall()
            again.append(_roll_up(events))
            assert connection.execute(VERSIONS).fetchall() == before, "the second run wrote rows"
            return seconds

        def statement() -> float:
            _empty(connection, "peer.stats")
            seconds = _single_statement(connection, day)
            single_again.append(_single_statement(connection, day))
            return seconds

        def reference() -> float:
            _empty(connection, "peer.car_listing_daily_stats")
            return _reference(connection, day)

        mine, single, loop = in_turn(scale.rounds, ours, statement, reference)
        for difference in (DIFFERENT, REFERENCE_DIFFERENT):
            assert connection.execute(difference.encode()).fetchall() == [(0,)], "the sides found different stats"
    size = f"{events:,} events of {listings:,} listings on the day, none before: {Figures(mine, ' s')}"
    return [
        at_least("daily roll-up", 75, ratios(loop, mine), f"{size}; {_told(loop, listings)}", "the reference's loop"),
        at_most(
            "daily roll-up beside one statement",
            1.1,
            ratios(mine, single),
            f"{size}; GROUP BY … ON CONFLICT DO UPDATE WHERE changed {Figures(single, ' s')}",
        ),
        at_most(
            "daily roll-up, run again: 0 rows written",
            1.1,
            ratios(again, single_again),
            f"{Figures(tuple(again), ' s')}; the same statement again {Figures(tuple(single_again), ' s')}",
        ),
    ]


def _ten_days(ground: Ground, scale: Scale) -> list[Row]:
    """The loop's queries look at each event of a listing, and must set those of other days
    aside.
    """
    events, listings = scale.of(EVENTS // 10), scale.of(LISTINGS)
    with ground.fresh() as url, psycopg.connect(url, autocommit=True, prepare_threshold=None) as connection:
        day = _filled(connection, 10, events, listings)

        def ours() -> float:
            _empty(connection, "car_listing_daily_stats", "analytics_days")
            return _roll_up(events, str(day))

        def reference() -> float:
            _empty(connection, "peer.car_listing_daily_stats")
            return _reference(connection, day)

        mine, loop = in_turn(scale.rounds, ours, reference)
        assert connection.execute(REFERENCE_DIFFERENT).fetchall() == [(0,)], "the sides found different stats"
    return [
        at_least(
            "daily roll-up of one day of ten",
            75,
            ratios(loop, mine),
            f"{events:,} events of {listings:,} listings each day: {Figures(mine, ' s')}; {_told(loop, listings)}",
            "the reference's loop",
        )
    ]


def _filled(connection: psycopg.Connection, days: int, events: int, listings: int) -> date:
    """Make the events of so many days, and return the last one, which is yesterday."""
    with session() as tx:
        last = days_ago(tx, 1)
        for before in range(days):
            have_events(tx, last - before * DAY, events, listings)
    connection.execute(PEERS.encode())
    connection.execute("VACUUM (ANALYZE)")
    return last


def _told(loop: tuple[float, ...], listings: int) -> str:
    return f"the loop {Figures(loop, ' s')}, computed from {min(SAMPLE, listings)} of its listings"


def _empty(connection: psycopg.Connection, *tables: str) -> None:
    for table in tables:
        connection.execute(f"TRUNCATE {table}".encode())
    connection.execute("CHECKPOINT")


def _roll_up(events: int, day: str | None = None) -> float:
    begun = time.perf_counter()
    with session() as tx:
        counts = aggregate_daily_analytics(tx, day)
    seconds = time.perf_counter() - begun
    assert counts["events"] == events, f"{counts['events']} of {events} events"
    return seconds


def _single_statement(connection: psycopg.Connection, day: date) -> float:
    begun = time.perf_counter()
    connection.execute(STATEMENT, {"day": day})
    return time.perf_counter() - begun


def _reference(connection: psycopg.Connection, day: date) -> float:
    """Seconds that the loop takes for all listings."""
    begun = time.perf_counter()
    listings = [listing for (listing,) in connection.execute(WITH_ACTIVITY, (day,))]
    looked_up = time.perf_counter()
    sample = listings[:: max(1, len(listings) // SAMPLE)]
    for listing in sample:
        found = connection.execute(OF_LISTING, (listing, day)).fetchone()
        assert found is not None
        if connection.execute(THERE, (listing, day)).fetchone() is None:
            connection.execute(CREATE, (listing, day, *found[1:]))
    looped = time.perf_counter() - looked_up
    return looked_up - begun + looped * len(listings) / len(sample)
