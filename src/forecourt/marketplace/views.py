"""Counts page views: thousands of them become one UPDATE, whether they came as calls or as recorded
events.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from forecourt import Session, job
from forecourt.jobs.dispatch import Call, Transaction
from forecourt.marketplace.visitors import is_person
from forecourt.settings import settings

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

# What is not committed yet stays for the next time.
COUNT_RECORDED = text(
    """
    WITH taken AS (
        DELETE FROM views_to_count
        RETURNING car_listing_id, views
    ),
    seen AS (
        SELECT car_listing_id AS id, sum(views) AS views
        FROM taken
        GROUP BY car_listing_id
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
# Who is just coming back is not waited for: a visitor's transaction, with several listings, could
# wait for this one as well.
FORGET_COUNTED = text(
    """
    DELETE FROM views_counted
    WHERE (car_listing_id, visitor) IN (
        SELECT car_listing_id, visitor
        FROM views_counted
        WHERE counted_at <= now() - interval '1 day'
        FOR UPDATE SKIP LOCKED
    )
    """
)
FORGET_REQUESTS = text(
    """
    DELETE FROM event_requests
    WHERE key IN (
        SELECT key
        FROM event_requests
        WHERE asked_at <= now() - interval '1 day'
        FOR UPDATE SKIP LOCKED
    )
    """
)
SALT = text(
    """
    INSERT INTO visitor_salts (begins_at, salt)
    VALUES (:begins_at, uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))
    ON CONFLICT (begins_at) DO NOTHING
    """
)
FORGET_SALTS = text("DELETE FROM visitor_salts WHERE begins_at < :today")
NOW = text("SELECT now()")


@job(queue="medium", tries=3, backoff=[10, 30, 60], timeout=30, batch=1_000)
def increment_views_count(session: Session, listing_id: list[int]) -> dict[str, int]:
    """Add one view to `listing_id`, once a call; a listing that is gone is a no-op.

    Rows are locked in the order of their ids, so two workers with the same listings wait for each
    other and never deadlock. `updated_at` stays: a view changes nothing that a visitor, or the
    sitemap, sees.
    """
    counted = session.scalars(COUNT, {"listing_ids": listing_id}).all()
    return {"views": sum(counted), "listings": len(counted)}


@job(queue="medium", tries=3, backoff=[10, 30, 60], timeout=300)
def count_recorded_views(session: Session) -> dict[str, int]:
    """Add the views that `record_event` found to be new to `views_count`, each once; those of a
    listing that is gone go.

    Forgets also who saw what more than a day ago, and makes the salts of visitors' keys for today
    and tomorrow: with the end of a business day nobody can find out any more whose its keys were.
    """
    zone = settings().zone
    today = session.scalars(NOW).one().astimezone(zone).date()
    begins = [
        datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
        for day in (today, today + timedelta(days=1))
    ]
    for begins_at in begins:
        session.execute(SALT, {"begins_at": begins_at})
    session.execute(FORGET_SALTS, {"today": begins[0]})
    session.execute(FORGET_COUNTED)
    session.execute(FORGET_REQUESTS)
    counted = session.scalars(COUNT_RECORDED).all()
    return {"views": int(sum(counted)), "listings": len(counted)}


def count_view(
    listing_id: int,
    *,
    user_agent: str | None,
    purpose: str | None = None,
    session: Transaction | None = None,
) -> Call | None:
    """Dispatch one view, if a person looks; None for bots, link previews and pages fetched ahead.
    See `visitors.is_person`.
    """
    if not is_person(user_agent, purpose):
        return None
    return increment_views_count.using(session=session).dispatch(listing_id=listing_id)
