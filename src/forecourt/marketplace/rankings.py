"""Who turns views into contacts, what is looked at more than it was, and whether counters and stats
agree.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

# One contact of two views is no better than forty of a hundred: the order is by the lower bound of
# Wilson's interval at 95 %, which few views leave wide. What is shown is the plain quotient.
CONVERSION = text(
    """
    WITH counted AS (
        SELECT CASE :by WHEN 'listing' THEN listing.id
                        WHEN 'provider' THEN provider.id END AS id,
               CASE :by WHEN 'listing' THEN listing.title
                        WHEN 'provider' THEN provider.name
                        ELSE split_part(listing.title, ' ', 1) END AS name,
               sum(stats.total_views) AS views,
               sum(stats.contact_phone_clicks + stats.contact_whatsapp_clicks) AS contacts
        FROM car_listing_daily_stats AS stats
        JOIN car_listings AS listing ON listing.id = stats.car_listing_id
        LEFT JOIN car_providers AS provider ON provider.id = listing.car_provider_id
        WHERE stats.date > (now() AT TIME ZONE :zone)::date - CAST(:days AS integer)
          AND (:by <> 'provider' OR provider.id IS NOT NULL)
        GROUP BY 1, 2
    ),
    -- Somebody may call without having looked: at most every view is followed by a contact.
    parts AS (
        SELECT *, least(contacts, views)::float / views AS part
        FROM counted
        WHERE views > 0
    )
    SELECT id, name, views::bigint AS views, contacts::bigint AS contacts, contacts::float / views AS rate
    FROM parts
    ORDER BY (part + 1.92 / views - 1.96 * sqrt(part * (1 - part) / views + 0.96 / (views * views)::float))
                 / (1 + 3.84 / views) DESC,
             views DESC,
             name
    LIMIT :limit
    """
)

# A day of rest is a day too, so it is days that are compared and not events; five views are added
# to both sides, or the second view ever would be the greatest rise of all.
TRENDING = text(
    """
    WITH counted AS (
        SELECT car_listing_id,
               coalesce(sum(total_views) FILTER (WHERE date > today - CAST(:days AS integer)), 0) AS recent,
               coalesce(sum(total_views) FILTER (WHERE date <= today - CAST(:days AS integer)), 0)
                   * CAST(:days AS float) / CAST(:against AS integer) AS expected
        FROM car_listing_daily_stats
        CROSS JOIN (SELECT (now() AT TIME ZONE :zone)::date - 1 AS today) AS yesterday
        WHERE date > today - CAST(:days AS integer) - CAST(:against AS integer)
          AND date <= today
        GROUP BY car_listing_id
    )
    SELECT listing.id,
           listing.title AS name,
           recent::bigint AS views,
           expected,
           (recent + 5) / (expected + 5) AS times
    FROM counted
    JOIN car_listings AS listing ON listing.id = counted.car_listing_id
    WHERE listing.is_available
      AND NOT listing.is_hidden
      AND listing.deleted_at IS NULL
      AND recent > expected
    ORDER BY times DESC, listing.id
    LIMIT :limit
    """
)

# A view is an event, and counts once for each visitor and half an hour, so a counter lies between
# those who looked on each day and all views. Who looked: the visitors, less one for each event of
# another kind, as whoever only called did not look. Counts that still wait, in the queue or among
# the recorded events', or failed and may be tried again, belong to the counter.
DISAGREEING = text(
    """
    WITH stats AS (
        SELECT car_listing_id,
               sum(total_views) AS views,
               sum(greatest(0, least(total_views, unique_visitors - (total_events - total_views)))) AS visitors
        FROM car_listing_daily_stats
        GROUP BY car_listing_id
    ),
    waiting AS (
        SELECT car_listing_id, sum(views) AS views
        FROM (
            SELECT (args ->> 'listing_id')::bigint AS car_listing_id, 1 AS views
            FROM (
                SELECT job, args FROM forecourt.ready
                UNION ALL
                SELECT job, args FROM forecourt.scheduled
                UNION ALL
                SELECT job, args FROM forecourt.running
                UNION ALL
                SELECT job, args FROM forecourt.failed
            ) AS calls
            WHERE job = 'increment_views_count'
            UNION ALL
            SELECT car_listing_id, views FROM views_to_count
        ) AS to_count
        GROUP BY car_listing_id
    )
    SELECT listing.id,
           listing.title AS name,
           listing.views_count,
           coalesce(waiting.views, 0)::bigint AS waiting,
           coalesce(stats.visitors, 0)::bigint AS least,
           coalesce(stats.views, 0)::bigint AS most
    FROM car_listings AS listing
    LEFT JOIN stats ON stats.car_listing_id = listing.id
    LEFT JOIN waiting ON waiting.car_listing_id = listing.id
    WHERE listing.views_count + coalesce(waiting.views, 0)
          NOT BETWEEN coalesce(stats.visitors, 0) AND coalesce(stats.views, 0)
    ORDER BY abs(listing.views_count + coalesce(waiting.views, 0) - coalesce(stats.views, 0)) DESC, listing.id
    """
)
RAISE = text(
    """
    UPDATE car_listings
    SET views_count = :least - :waiting
    WHERE id = :id
      AND views_count = :views_count
    """
)


def conversion(session: Session, by: str, *, days: int, limit: int, zone: str) -> Sequence[Any]:
    """Contacts for each view, the best first: by `listing`, `provider`, or `make`, which is the
    first word of a title.
    """
    return session.execute(CONVERSION, {"by": by, "days": days, "limit": limit, "zone": zone}).all()


def trending(session: Session, *, days: int, against: int, limit: int, zone: str) -> Sequence[Any]:
    """The listings whose last whole days brought most, compared with as many of the days before
    those.
    """
    return session.execute(TRENDING, {"days": days, "against": against, "limit": limit, "zone": zone}).all()


def disagreeing(session: Session) -> Sequence[Any]:
    """The listings whose counter cannot be right, by their stats: `least` and `most` are what it
    may be.
    """
    return session.execute(DISAGREEING).all()


def mend(session: Session, found: Sequence[Any]) -> int:
    """Raise the counters that are too low, and return how many. One that is too high stays: it may
    know of views from before there were events. One that changed meanwhile stays for the next
    time."""
    low = [row for row in found if row.views_count + row.waiting < row.least]
    return sum(
        session.execute(  # type: ignore[attr-defined]
            RAISE, {"id": row.id, "least": row.least, "waiting": row.waiting, "views_count": row.views_count}
        ).rowcount
        for row in low
    )
