"""Empties the trash: rows in one statement, then photo files, from an outbox.

Photos are stored by content, so two listings may share a file. Whoever gives up keys notes them in
`blob_deletions` in the same transaction, a row for each listing, whatever else is noted there; the
reaper deletes a file only when no listing, trashed ones included, holds its key. A crash can leave
a file for a while, and never a listing without its photo.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from forecourt import Session, job
from forecourt.marketplace import places
from forecourt.marketplace.analytics import LOCK as ANALYTICS_LOCK
from forecourt.marketplace.business import business
from forecourt.marketplace.storage import StorageError

log = logging.getLogger(__name__)

LONGEST = 36_500
"""Days; a hundred years."""

BATCH = 1_000
"""Files after which a call of the reaper leaves the rest to the next: each costs a lock until the
transaction ends.
"""

# Under READ COMMITTED a row that was restored while we waited for its lock is looked at again, and
# spared.
DOOMED = text(
    """
    SELECT id
    FROM car_listings
    WHERE deleted_at <= now() - :days * interval '24 hours'
      AND (CAST(:ids AS bigint[]) IS NULL OR id = ANY (CAST(:ids AS bigint[])))
    ORDER BY id
    FOR UPDATE
    """
)
# What another table's rows still need is known when a statement ends, also where the constraint
# would wait for the commit.
AT_ONCE = text("SET CONSTRAINTS ALL IMMEDIATE")
# Its events go too, or the next night would aggregate them for a listing that is no more.
EMPTY = text(
    """
    WITH gone AS (
        DELETE FROM car_listings
        WHERE id = ANY (CAST(:doomed AS bigint[]))
        RETURNING id, photo_keys(photos) AS keys
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
        INSERT INTO blob_deletions (keys)
        SELECT keys
        FROM gone
        WHERE keys <> '{}'
        RETURNING cardinality(keys) AS files
    )
    SELECT (SELECT count(*) FROM gone) AS deleted,
           (SELECT count(*) FROM stats) AS stats,
           (SELECT count(*) FROM events) AS events,
           (SELECT coalesce(sum(files), 0) FROM given_up)::bigint AS files
    """
)

GIVE_UP = text("INSERT INTO blob_deletions (keys) SELECT CAST(:keys AS text[]) WHERE :keys <> '{}'")
RESERVE = text(
    """
    SELECT pg_advisory_xact_lock_shared(hashtextextended('forecourt.blob:' || key, 0))
    FROM unnest(CAST(:keys AS text[])) AS key
    """
)

ANY_LEFT = text("SELECT EXISTS (SELECT FROM blob_deletions)")
TAKE = text(
    """
    WITH next AS (
        SELECT id, keys
        FROM blob_deletions
        WHERE id > :after
        ORDER BY id
        LIMIT :batch
        FOR UPDATE SKIP LOCKED
    ),
    counted AS (
        SELECT id, keys, sum(cardinality(keys)) OVER (ORDER BY id) - cardinality(keys) AS files_before
        FROM next
    )
    SELECT id, keys
    FROM counted
    WHERE files_before < :batch
    ORDER BY id
    """
)
FREE = text(
    """
    SELECT key
    FROM unnest(CAST(:keys AS text[])) AS key
    WHERE pg_try_advisory_xact_lock(hashtextextended('forecourt.blob:' || key, 0))
    """
)
# A holder may have changed its photos since, so they are looked at.
IN_USE = text(
    """
    SELECT DISTINCT key
    FROM photo_holders
    JOIN car_listings ON car_listings.id = car_listing_id
    WHERE key = ANY(:keys)
      AND key = ANY(photo_keys(photos))
    """
)
FORGET_HOLDERS = text("DELETE FROM photo_holders WHERE key = ANY(:keys)")
KEEP = text(
    """
    UPDATE blob_deletions
    SET keys = ARRAY(SELECT unnest(keys) INTERSECT SELECT unnest(CAST(:busy AS text[])))
    WHERE id = ANY(:ids)
      AND keys && CAST(:busy AS text[])
    """
)
FORGET = text("DELETE FROM blob_deletions WHERE id = ANY(:ids) AND NOT keys && CAST(:busy AS text[])")


@dataclass(frozen=True, slots=True)
class Kept:
    """A listing that could not be deleted, since rows of `table` refer to it; `why` is the
    database's own sentence.
    """

    listing_id: int
    table: str
    why: str


@dataclass(frozen=True, slots=True)
class Emptied:
    """What went: listings, their stats, events and files, by name; and the listings that did
    not.
    """

    gone: dict[str, int]
    kept: list[Kept]


@job(queue="low", timeout=3600)
def cleanup_soft_deleted(session: Session, days: int | None = None) -> dict[str, int]:
    """Delete for good what was trashed `days` times 24 hours ago or earlier, and let the reaper see
    to the photos; by default as many as the setting `trash_days` has.

    With a listing go its stats and its raw events. One to which rows of other tables refer stays,
    and is named in the log. Returns how many of each, how many files may follow, and how many
    listings were kept. Raises ValueError for negative `days`.
    """
    emptied = purge(session, business(session).trash_days if days is None else days)
    for kept in emptied.kept:
        log.warning("listing %d stays in the trash: %s", kept.listing_id, kept.why)
    log.info("Permanently deleted %d old soft-deleted listings", emptied.gone["deleted"])
    return emptied.gone | {"kept": len(emptied.kept)}


def purge(session: Session, days: int, ids: Sequence[int] | None = None) -> Emptied:
    """Delete, in the caller's transaction, what was trashed so long ago, of `ids` or of all; its
    files follow after the commit.

    Rolled back it has changed nothing, and said what would go. Raises ValueError for negative
    `days`.
    """
    if not 0 <= days <= LONGEST:
        raise ValueError(f"days: expected 0 to {LONGEST}, not {days}")
    session.execute(ANALYTICS_LOCK)  # stats of a deleted listing must not be computed meanwhile
    session.execute(AT_ONCE)
    emptied = Emptied({"deleted": 0, "stats": 0, "events": 0, "files": 0}, [])
    doomed = session.scalars(DOOMED, {"days": days, "ids": None if ids is None else list(ids)}).all()
    if doomed:
        _delete_rows(session, doomed, emptied)
    if session.scalars(ANY_LEFT).one():
        reap_blobs.using(session=session).dispatch()
    return emptied


def _delete_rows(session: Session, doomed: Sequence[int], emptied: Emptied) -> None:
    """All in one statement; if the database refuses, by halves, until those that it refuses stand
    alone.
    """
    try:
        with session.begin_nested():
            counts = session.execute(EMPTY, {"doomed": list(doomed)}).mappings().one()
    except IntegrityError as refused:
        if len(doomed) == 1:
            reason = refused.orig.diag  # type: ignore[union-attr]
            why = ". ".join(part.rstrip(".") for part in (reason.message_primary, reason.message_detail) if part)
            emptied.kept.append(Kept(doomed[0], reason.table_name or "", why))
            return
        half = len(doomed) // 2
        _delete_rows(session, doomed[:half], emptied)
        _delete_rows(session, doomed[half:], emptied)
        return
    for name, count in counts.items():
        emptied.gone[name] += count


@job(queue="low", timeout=900)
def reap_blobs(session: Session, after: int = 0) -> dict[str, int]:
    """Delete the files in the outbox that no listing uses, and go on in a further call while there
    are more.

    A file that is gone already is a success. Keys that are being written right now stay for the
    next night. Returns how many files were deleted and how many are still in use and were spared.
    """
    taken = session.execute(TAKE, {"after": after, "batch": BATCH}).all()
    ids = [id_ for id_, _ in taken]
    keys = {key for _, given_up in taken for key in given_up}
    free = set(session.scalars(FREE, {"keys": list(keys)}))
    in_use = set(session.scalars(IN_USE, {"keys": list(free)}))
    _delete(free - in_use)
    session.execute(FORGET_HOLDERS, {"keys": list(free - in_use)})
    session.execute(KEEP, {"ids": ids, "busy": list(keys - free)})
    session.execute(FORGET, {"ids": ids, "busy": list(keys - free)})
    if taken:
        reap_blobs.using(session=session).dispatch(after=ids[-1])
    return {"deleted": len(free) - len(in_use), "spared": len(in_use)}


def _delete(keys: Iterable[str]) -> None:
    with places.files().deleting() as delete:
        for key in keys:
            try:
                delete(key)
            except StorageError as error:
                log.warning("nothing to delete: %s", error)


def give_up(session: Session, keys: Iterable[str]) -> None:
    """The caller's listing no longer holds these files: they go at the next reaping, unless another
    listing does.
    """
    session.execute(GIVE_UP, {"keys": list(keys)})


def reserve(session: Session, keys: Iterable[str]) -> None:
    """Keep the reaper off these files until the transaction ends. Call it before writing files to
    which the same transaction makes a listing refer: the reaper cannot see that before the
    commit."""
    session.execute(RESERVE, {"keys": list(keys)})
