"""Ends the placements whose paid time is over: sponsored listings, and those that the editors
featured.
"""

import logging
from datetime import UTC

from sqlalchemy import text
from sqlalchemy.orm import Session

from forecourt import job
from forecourt.marketplace.business import business
from forecourt.marketplace.kinds import SponsorshipEnding
from forecourt.marketplace.notices import send_sponsorship_expired_notification, tell

log = logging.getLogger(__name__)

# Both duties lock their rows in the order of the id, as the view counter does, so that neither
# deadlocks with it. The lock also reads each row's newest version: a placement renewed a moment ago
# is spared.


@job(queue="medium", timeout=600)
def expire_sponsored_listings(session: Session) -> dict[str, int]:
    """Clear the sponsorships that ended, and enqueue each owner's notification in the same
    transaction.

    A listing in the trash loses its sponsorship as well, but its owner threw it away and isn't
    told.
    """
    ended = session.execute(
        text("""
            WITH ended AS (
                SELECT id, sponsored_until
                FROM car_listings
                WHERE is_sponsored
                  AND sponsored_until <= now()
                ORDER BY id
                FOR NO KEY UPDATE
            )
            UPDATE car_listings
            SET is_sponsored = false,
                sponsored_until = NULL,
                updated_at = now()
            FROM ended
            WHERE car_listings.id = ended.id
            -- Python has no time before the year 1, and one such row would stop the others.
            RETURNING car_listings.id, greatest(ended.sponsored_until, '2000-01-01Z') AS sponsored_until, car_listings.deleted_at
        """)
    ).all()
    calls = send_sponsorship_expired_notification.using(session=session).dispatch_many(
        {"listing_id": row.id, "sponsored_until": row.sponsored_until.astimezone(UTC).isoformat()}
        for row in ended
        if row.deleted_at is None
    )
    log.info("Expired %d sponsored listings", len(ended))
    return {"expired": len(ended), "notifications": len(calls)}


@job(queue="medium", timeout=600)
def expire_featured_listings(session: Session) -> dict[str, int]:
    """Clear flag, end and position of the featured listings whose time is over, and let the others
    move up: their positions are 1, 2, 3 and so on, in the order that they had. `updated_at` of
    those that move stays: their own pages are the same.
    """
    # Those that may move as well, in one statement: what others feature between two would be locked
    # out of order.
    expired, moved = session.execute(
        text("""
            WITH featured AS (
                SELECT id, featured_position, deleted_at, coalesce(featured_until <= now(), false) AS over
                FROM car_listings
                WHERE is_featured
                ORDER BY id
                FOR NO KEY UPDATE
            ),
            ended AS (
                UPDATE car_listings
                SET is_featured = false,
                    featured_until = NULL,
                    featured_position = NULL,
                    updated_at = now()
                FROM featured
                WHERE car_listings.id = featured.id
                  AND over
                RETURNING 1
            ),
            numbered AS (
                SELECT id, row_number() OVER (ORDER BY featured_position, id) AS position
                FROM featured
                WHERE NOT over
                  AND featured_position IS NOT NULL
                  AND deleted_at IS NULL
            ),
            moved AS (
                UPDATE car_listings
                SET featured_position = position
                FROM numbered
                WHERE car_listings.id = numbered.id
                  AND featured_position <> position
                RETURNING 1
            )
            SELECT (SELECT count(*) FROM ended), (SELECT count(*) FROM moved)
        """)
    ).one()
    log.info("Expired %d featured listings", expired)
    return {"expired": expired, "moved_up": moved}


@job(queue="low", timeout=600)
def remind_of_ending_sponsorships(session: Session) -> dict[str, int]:
    """Tell each owner whose sponsorship ends within `reminder_days`, once for each end however
    often this runs.

    A sponsorship that is no longer than that is not reminded of: its owner has just bought it.
    """
    days = business(session).reminder_days
    ending = session.execute(
        text("""
            SELECT id, owner_id, title, slug, sponsored_until
            FROM car_listings
            WHERE is_sponsored
              AND sponsored_until > now()
              AND sponsored_until <= now() + :days * interval '24 hours'
              AND deleted_at IS NULL
              AND (sponsored_since IS NULL OR sponsored_until - sponsored_since > :days * interval '24 hours')
            ORDER BY id
        """),
        {"days": days},
    ).all()
    told = tell(
        session,
        [(row.owner_id, SponsorshipEnding(row.id, row.title, row.slug, row.sponsored_until)) for row in ending],
    )
    return {"ending": len(ending), "reminded": told}
