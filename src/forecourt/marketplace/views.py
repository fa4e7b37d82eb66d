"""Counts page views: thousands of calls become one UPDATE."""

from sqlalchemy import text

from forecourt import Session, job
from forecourt.jobs.dispatch import Call, Transaction
from forecourt.marketplace.visitors import is_person

COUNT = text(
    """
    WITH seen AS (
        SELECT listing_id AS id, count(*) AS views
        FROM unnest(CAST(:listing_ids AS bigint[])) AS listing_id
        GROUP BY listing_id
    ),
    locked AS (
        SELECT id, views
        FROM car_listings
        JOIN seen USING (id)
        ORDER BY id
        FOR NO KEY UPDATE OF car_listings
    )
    UPDATE car_listings
    SET views_count = views_count + locked.views
    FROM locked
    WHERE car_listings.id = locked.id
    RETURNING locked.views
    """
)


@job(queue="medium", tries=3, backoff=[10, 30, 60], timeout=30, batch=500)
def increment_views_count(listing_id: list[int], *, session: Session) -> dict[str, int]:
    """Add one view to `listing_id`, once a call; a listing that is gone is a no-op.

    Rows are locked in the order of their ids, so two workers with the same listings wait for each other and never
    deadlock. `updated_at` stays: a view changes nothing that a visitor, or the sitemap, sees.
    """
    counted = session.scalars(COUNT, {"listing_ids": listing_id}).all()
    return {"views": sum(counted), "listings": len(counted)}


def count_view(
    listing_id: int,
    *,
    user_agent: str | None,
    purpose: str | None = None,
    session: Transaction | None = None,
) -> Call | None:
    """Dispatch one view, if a person looks; None for bots, link previews and pages fetched ahead. See `visitors.is_person`."""
    if not is_person(user_agent, purpose):
        return None
    return increment_views_count.using(session=session).dispatch(listing_id=listing_id)
