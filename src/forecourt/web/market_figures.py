"""What the marketplace's page shows, each from an index or up to a cap."""

from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

CAP = 100_000

ENDING = """
WITH ending AS (
    SELECT sponsored_until AS until, true AS sponsored
    FROM public.car_listings
    WHERE is_sponsored
      AND sponsored_until < now() + interval '7 days'
    UNION ALL
    SELECT featured_until, false
    FROM public.car_listings
    WHERE is_featured
      AND featured_until < now() + interval '7 days'
)
SELECT greatest((until AT TIME ZONE %(zone)s)::date, (now() AT TIME ZONE %(zone)s)::date) AS day,
       count(*) FILTER (WHERE sponsored) AS sponsored,
       count(*) FILTER (WHERE NOT sponsored) AS featured,
       count(*) FILTER (WHERE until < now()) AS overdue
FROM ending
GROUP BY day
ORDER BY day
"""

DAYS = """
SELECT date, events, aggregated_at
FROM public.analytics_days
ORDER BY date DESC
LIMIT 7
"""

ARCHIVES = """
SELECT path, lower, upper, started_at, dropped_at, rows, bytes
FROM public.analytics_archives
ORDER BY id DESC
LIMIT 5
"""

SITEMAPS = """
SELECT published_at, urls, files, bytes
FROM public.sitemap_runs
ORDER BY id DESC
LIMIT 5
"""

TWINS = """
SELECT twin.id, twin.car_listing_id, listing.title, twin.other_listing_id, other.title AS other_title,
       listing.owner_id = other.owner_id AS same_owner, twin.found_at
FROM (
    SELECT *
    FROM public.photo_twins
    ORDER BY id DESC
    LIMIT 10000
) AS twin
JOIN public.car_listings AS listing ON listing.id = twin.car_listing_id
JOIN public.car_listings AS other ON other.id = twin.other_listing_id
WHERE twin.settled_at IS NULL
ORDER BY twin.id DESC
LIMIT 5
"""

NOTICES = """
SELECT mail_status AS state, count(*) AS notices
FROM (SELECT mail_status FROM public.notifications LIMIT %(cap)s) AS few
GROUP BY mail_status
ORDER BY mail_status
"""

FIGURES = """
SELECT (SELECT count(DISTINCT day) FROM (SELECT day FROM public.analytics_late_days LIMIT %(cap)s) AS few) AS late_days,
       (SELECT count(*) FROM pg_inherits WHERE inhparent = 'public.car_listing_analytics'::regclass) AS partitions,
       (SELECT count(*) FROM (SELECT FROM public.car_listing_analytics_default LIMIT %(cap)s + 1) AS few) AS strays,
       (SELECT count(*)
        FROM (
            SELECT
            FROM public.car_providers
            WHERE wallet_balance > 0
              AND wallet_balance < public.wallet_limit(wallet_currency, low_wallet_limit)
            LIMIT %(cap)s + 1
        ) AS few) AS low_wallets,
       (SELECT count(*) FROM (SELECT FROM public.car_listings WHERE deleted_at IS NOT NULL LIMIT %(cap)s + 1) AS few) AS trashed,
       (SELECT count(*)
        FROM (
            SELECT
            FROM public.car_listings
            WHERE deleted_at < now() - public.business_setting('trash_days', '30')::integer * interval '24 hours'
            LIMIT %(cap)s + 1
        ) AS few) AS trash_due,
       (SELECT count(*) FROM (SELECT FROM public.blob_deletions LIMIT %(cap)s + 1) AS few) AS files_to_delete
"""


def figures(tx: Connection[Any], zone: str) -> dict[str, Any]:
    """Placements that end soon by day, the last roll-ups, archives and sitemaps, photos on two
    listings, notices by state, single counts up to CAP + 1."""
    with tx.cursor(row_factory=dict_row) as cursor:
        return {
            "ending": cursor.execute(ENDING, {"zone": zone}).fetchall(),
            "days": cursor.execute(DAYS).fetchall(),
            "archives": cursor.execute(ARCHIVES).fetchall(),
            "sitemaps": cursor.execute(SITEMAPS).fetchall(),
            "twins": cursor.execute(TWINS).fetchall(),
            "notices": cursor.execute(NOTICES, {"cap": CAP}).fetchall(),
            "counts": cursor.execute(FIGURES, {"cap": CAP}).fetchall()[0],
        }
