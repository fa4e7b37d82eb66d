"""The roll-up of one business day: its stats by listing and by hour, as a function of its raw
events: gathered in a table of the transaction, then written where they differ.

A day whose raw events are still those of its last roll-up is left alone: to see that takes a fifth
of the time that the roll-up takes. So the nights that only look for what came late are short.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.orm import Session

DAY = timedelta(days=1)

OPEN_SINCE = text("SELECT coalesce(max(upper), '2000-01-01Z') FROM analytics_archives WHERE dropped_at IS NOT NULL")

# Every column that stats are made of, in any order of the rows: XOR neither minds the order nor
# which worker of a parallel scan saw a row.
DIGEST = text(
    """
    SELECT count(*) # coalesce(bit_xor(
               hashint8extended(id, car_listing_id) # hashtextextended(event_type, id) # coalesce(hashinetextended(user_ip, id), 0)
           ), 0)
    FROM car_listing_analytics
    WHERE created_at >= :lower
      AND created_at < :upper
    """
)
SEEN = text(
    """
    UPDATE analytics_days
    SET aggregated_at = now()
    WHERE date = :day
      AND digest = :digest
    RETURNING events
    """
)

# Sorting each listing's few addresses by themselves is a fifth faster than sorting the day by
# (listing, address). The setting is new in PostgreSQL 16; on 15 no row is found and it is as we
# want it.
SORT_EACH_LISTING = text(
    "SELECT set_config(name, :value, true) FROM pg_settings WHERE name = 'enable_presorted_aggregate'"
)

# Two halves of the listings, each an aggregate by itself, and the hours are three parts which a
# server with cores to spare does at once. It takes a table: a statement that writes never runs in
# parallel. The halves are told apart by <>, which the planner expects of nearly all rows; of so few
# as it expects of = it would share the scan alone, and leave the sorting to one process.
AGGREGATE = text(
    """
    CREATE TEMPORARY TABLE fresh ON COMMIT DROP AS
    SELECT car_listing_id,
           CAST(NULL AS timestamptz) AS hour,
           count(*) FILTER (WHERE event_type = 'view') AS total_views,
           count(DISTINCT user_ip) AS unique_visitors,
           count(*) FILTER (WHERE event_type = 'contact_phone') AS contact_phone_clicks,
           count(*) FILTER (WHERE event_type = 'contact_whatsapp') AS contact_whatsapp_clicks,
           count(*) FILTER (WHERE event_type = 'favorite') AS favorites,
           count(*) FILTER (WHERE event_type = 'share') AS shares,
           count(*) AS total_events
    FROM car_listing_analytics
    WHERE created_at >= :lower
      AND created_at < :upper
      AND event_type <> 'bot'
      AND car_listing_id & 1 <> 0
    GROUP BY car_listing_id
    UNION ALL
    SELECT car_listing_id,
           CAST(NULL AS timestamptz),
           count(*) FILTER (WHERE event_type = 'view'),
           count(DISTINCT user_ip),
           count(*) FILTER (WHERE event_type = 'contact_phone'),
           count(*) FILTER (WHERE event_type = 'contact_whatsapp'),
           count(*) FILTER (WHERE event_type = 'favorite'),
           count(*) FILTER (WHERE event_type = 'share'),
           count(*)
    FROM car_listing_analytics
    WHERE created_at >= :lower
      AND created_at < :upper
      AND event_type <> 'bot'
      AND car_listing_id & 1 <> 1
    GROUP BY car_listing_id
    UNION ALL
    -- By type first: comparing each event's type with five names takes longer than hashing it.
    SELECT CAST(NULL AS bigint),
           hour,
           CAST(sum(events) FILTER (WHERE event_type = 'view') AS bigint),
           CAST(NULL AS bigint),
           CAST(sum(events) FILTER (WHERE event_type = 'contact_phone') AS bigint),
           CAST(sum(events) FILTER (WHERE event_type = 'contact_whatsapp') AS bigint),
           CAST(sum(events) FILTER (WHERE event_type = 'favorite') AS bigint),
           CAST(sum(events) FILTER (WHERE event_type = 'share') AS bigint),
           CAST(sum(events) AS bigint)
    FROM (
        SELECT date_bin('1 hour', created_at, '2000-01-01Z') AS hour, event_type, count(*) AS events
        FROM car_listing_analytics
        WHERE created_at >= :first_hour
          AND created_at < :end_of_hours
          AND event_type <> 'bot'
        GROUP BY hour, event_type
    ) AS counted
    GROUP BY hour
    """
)

# An upsert that changes nothing still locks and logs each row, so what is the same already goes
# first.
WRITE = text(
    """
    WITH written AS (
        INSERT INTO car_listing_daily_stats (
            date, car_listing_id, total_views, unique_visitors, contact_phone_clicks, contact_whatsapp_clicks,
            favorites, shares, total_events
        )
        SELECT CAST(:day AS date), changed.*
        FROM (
            SELECT car_listing_id, total_views, unique_visitors, contact_phone_clicks, contact_whatsapp_clicks, favorites,
                   shares, total_events
            FROM fresh
            WHERE hour IS NULL
            EXCEPT
            SELECT car_listing_id, total_views, unique_visitors, contact_phone_clicks, contact_whatsapp_clicks, favorites,
                   shares, total_events
            FROM car_listing_daily_stats
            WHERE date = :day
        ) AS changed
        ON CONFLICT (car_listing_id, date) DO UPDATE
        SET total_views = excluded.total_views,
            unique_visitors = excluded.unique_visitors,
            contact_phone_clicks = excluded.contact_phone_clicks,
            contact_whatsapp_clicks = excluded.contact_whatsapp_clicks,
            favorites = excluded.favorites,
            shares = excluded.shares,
            total_events = excluded.total_events
        RETURNING 1
    ),
    vanished AS (
        DELETE FROM car_listing_daily_stats AS stats
        WHERE date = :day
          AND NOT EXISTS (SELECT FROM fresh WHERE fresh.car_listing_id = stats.car_listing_id)
        RETURNING 1
    ),
    noted AS (
        INSERT INTO analytics_days (date, events, digest, aggregated_at)
        SELECT CAST(:day AS date), coalesce(sum(total_events), 0), :digest, now() FROM fresh WHERE hour IS NULL
        ON CONFLICT (date) DO UPDATE
        SET events = excluded.events,
            digest = excluded.digest,
            aggregated_at = excluded.aggregated_at
    )
    SELECT (SELECT count(*) FROM written) + (SELECT count(*) FROM vanished) AS rows_written,
           coalesce(sum(total_events), 0)::bigint AS events
    FROM fresh
    WHERE hour IS NULL
    """
)
WRITE_HOURS = text(
    """
    WITH vanished AS (
        DELETE FROM analytics_hours AS stats
        WHERE hour >= :first_hour
          AND hour < :end_of_hours
          AND NOT EXISTS (SELECT FROM fresh WHERE fresh.hour = stats.hour)
    )
    INSERT INTO analytics_hours AS stats (
        hour, total_views, contact_phone_clicks, contact_whatsapp_clicks, favorites, shares, total_events
    )
    SELECT hour, coalesce(total_views, 0), coalesce(contact_phone_clicks, 0), coalesce(contact_whatsapp_clicks, 0),
           coalesce(favorites, 0), coalesce(shares, 0), total_events
    FROM fresh
    WHERE hour IS NOT NULL
    ON CONFLICT (hour) DO UPDATE
    SET total_views = excluded.total_views,
        contact_phone_clicks = excluded.contact_phone_clicks,
        contact_whatsapp_clicks = excluded.contact_whatsapp_clicks,
        favorites = excluded.favorites,
        shares = excluded.shares,
        total_events = excluded.total_events
    WHERE (stats.*) IS DISTINCT FROM (excluded.*)
    """
)
FORGET = text("DROP TABLE fresh")

LISTINGS = text("SELECT count(DISTINCT car_listing_id) FROM car_listing_daily_stats WHERE date = ANY(:days)")


def roll_up(session: Session, zone: ZoneInfo, days: set[date], *, anyway: bool = False) -> dict[str, int]:
    """Bring the stats of these days up to date, and count what that took. Days that did not change
    since are left alone, unless `anyway`."""
    counts = {"days": len(days), "listings": 0, "rows_written": 0, "events": 0}
    session.execute(SORT_EACH_LISTING, {"value": "off"})
    for day in sorted(days):
        lower, upper = start_of(day, zone), start_of(day + DAY, zone)
        bounds: dict[str, Any] = {"day": day, "lower": lower, "upper": upper}
        bounds["digest"] = session.scalars(DIGEST, bounds).one()
        seen = None if anyway else session.execute(SEEN, bounds).one_or_none()
        if seen is not None:
            counts["events"] += seen.events
            continue
        first_hour, end_of_hours = _hours(session, lower, upper)
        bounds |= {"first_hour": first_hour, "end_of_hours": end_of_hours}
        session.execute(AGGREGATE, bounds)
        rows_written, events = session.execute(WRITE, bounds).one()
        session.execute(WRITE_HOURS, bounds)
        session.execute(FORGET)
        counts["rows_written"] += rows_written
        counts["events"] += events
    session.execute(SORT_EACH_LISTING, {"value": "on"})
    counts["listings"] = session.scalars(LISTINGS, {"days": list(days)}).one()
    return counts


def start_of(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of `day`. Where clocks skip midnight it is the instant they go to; where it
    strikes twice, the first."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def _hours(session: Session, lower: datetime, upper: datetime) -> tuple[datetime, datetime]:
    """The hours of a day, with those before and behind it that a day which begins at the half of an
    hour has a part of. One of which a part is archived is left out: it keeps its figures."""
    first_whole = _whole_hour(session.scalars(OPEN_SINCE).one().astimezone(UTC))
    begin = lower.replace(minute=0, second=0, microsecond=0)
    return max(begin, first_whole), _whole_hour(upper)


def _whole_hour(instant: datetime) -> datetime:
    """The end of the hour of UTC that an instant is in, or the instant itself where one begins:
    days of some zones begin at its half."""
    whole = instant.replace(minute=0, second=0, microsecond=0)
    return whole if whole == instant else whole + timedelta(hours=1)
