"""Empties the trash: rows in one statement, then photo files, from an outbox.

Photos are stored by content, so two listings may share a file. Whoever gives up keys puts them into `blob_deletions` in
the same transaction; the reaper deletes a file only when no listing, trashed ones included, holds its key. A crash can
leave a file for a while, and never a listing without its photo.
"""

import logging
from collections.abc import Iterable

from sqlalchemy import text

from forecourt import Session, job
from forecourt.marketplace.analytics import LOCK as ANALYTICS_LOCK
from forecourt.marketplace.storage import Storage, StorageError
from forecourt.settings import settings

log = logging.getLogger(__name__)

LONGEST = 36_500
"""Days; a hundred years."""

BATCH = 1_000
"""Files a call of the reaper deletes: each costs an fsync, and a lock until the transaction ends."""

# Under READ COMMITTED a row that was restored while we waited for its lock is looked at again, and spared. Its events
# go too, or the next night would aggregate them for a listing that is no more. A key that is in the outbox already is
# updated, not skipped: the reaper may just be sparing that file for our listing's sake; so we wait for it, and insert.
EMPTY = text(
    """
    WITH doomed AS (
        SELECT id
        FROM car_listings
        WHERE deleted_at <= now() - :days * interval '24 hours'
        ORDER BY id
        FOR UPDATE
    ),
    gone AS (
        DELETE FROM car_listings
        WHERE id IN (SELECT id FROM doomed)
        RETURNING id, photos
    ),
    stats AS (
        DELETE FROM car_listing_daily_stats
        WHERE car_listing_id IN (SELECT id FROM gone)
        RETURNING 1
    ),
    events AS (
        DELETE FROM car_listing_analytics
        WHERE car_listing_id = ANY (ARRAY(SELECT id FROM gone))
        RETURNING 1
    ),
    given_up AS (
        INSERT INTO blob_deletions (key)
        SELECT DISTINCT key
        FROM gone
        CROSS JOIN unnest(photo_keys(photos)) AS key
        ORDER BY key
        ON CONFLICT (key) DO UPDATE SET enqueued_at = now()
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM gone) AS deleted,
           (SELECT count(*) FROM stats) AS stats,
           (SELECT count(*) FROM events) AS events,
           (SELECT count(*) FROM given_up) AS files
    """
)

GIVE_UP = text(
    """
    INSERT INTO blob_deletions (key)
    SELECT DISTINCT key
    FROM unnest(CAST(:keys AS text[])) AS key
    ORDER BY key
    ON CONFLICT (key) DO UPDATE SET enqueued_at = now()
    """
)
HOLD = text(
    """
    SELECT pg_advisory_xact_lock_shared(hashtextextended('forecourt.blob:' || key, 0))
    FROM unnest(CAST(:keys AS text[])) AS key
    """
)

ANY_LEFT = text("SELECT EXISTS (SELECT FROM blob_deletions)")
TAKE = text(
    """
    SELECT key
    FROM blob_deletions
    WHERE key > :after
    ORDER BY key
    LIMIT :batch
    FOR UPDATE SKIP LOCKED
    """
)
FREE = text(
    """
    SELECT key
    FROM unnest(CAST(:keys AS text[])) AS key
    WHERE pg_try_advisory_xact_lock(hashtextextended('forecourt.blob:' || key, 0))
    """
)
IN_USE = text(
    """
    SELECT key
    FROM unnest(CAST(:keys AS text[])) AS key
    WHERE EXISTS (SELECT FROM car_listings WHERE photo_keys(photos) @> ARRAY[key])
    """
)
FORGET = text("DELETE FROM blob_deletions WHERE key = ANY(:keys)")


@job(queue="low", timeout=3600)
def cleanup_soft_deleted(days: int = 30, *, session: Session) -> dict[str, int]:
    """Delete for good what was trashed `days` times 24 hours ago or earlier, and let the reaper see to the photos.

    With a listing go its stats and its raw events. Returns how many of each, and how many files may follow. Raises
    ValueError for negative `days`.
    """
    if not 0 <= days <= LONGEST:
        raise ValueError(f"days: expected 0 to {LONGEST}, not {days}")
    session.execute(ANALYTICS_LOCK)  # stats of a deleted listing must not be computed meanwhile
    counts = session.execute(EMPTY, {"days": days}).mappings().one()
    if session.scalars(ANY_LEFT).one():
        reap_blobs.using(session=session).dispatch()
    return dict(counts)


@job(queue="low", timeout=900)
def reap_blobs(after: str = "", *, session: Session) -> dict[str, int]:
    """Delete the files in the outbox that no listing uses, and go on in a further call while there are more.

    A file that is gone already is a success. Keys that are being written right now stay for the next night. Returns
    how many files were deleted and how many are still in use and were spared.
    """
    storage = Storage(settings().storage)
    taken = session.scalars(TAKE, {"after": after, "batch": BATCH}).all()
    free = session.scalars(FREE, {"keys": taken}).all()
    in_use = set(session.scalars(IN_USE, {"keys": free}))
    for key in set(free) - in_use:
        try:
            storage.delete(key)
        except StorageError as error:
            log.warning("nothing to delete: %s", error)
    session.execute(FORGET, {"keys": free})
    if len(taken) == BATCH:
        reap_blobs.using(session=session).dispatch(after=taken[-1])
    return {"deleted": len(free) - len(in_use), "spared": len(in_use)}


def give_up(session: Session, keys: Iterable[str]) -> None:
    """The caller's listing no longer holds these files: they go at the next reaping, unless another listing does."""
    session.execute(GIVE_UP, {"keys": list(keys)})


def hold(session: Session, keys: Iterable[str]) -> None:
    """Keep the reaper off these files until the transaction ends. Call it before writing files to which the same
    transaction makes a listing refer: the reaper cannot see that before the commit."""
    session.execute(HOLD, {"keys": list(keys)})
