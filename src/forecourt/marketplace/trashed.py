"""What lies in the trash, and the way back from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

LISTED = text(
    """
    SELECT id, title, owner_id, deleted_at, deleted_at + :days * interval '24 hours' AS goes_at,
           jsonb_array_length(photos) AS photos
    FROM car_listings
    WHERE deleted_at IS NOT NULL
    ORDER BY deleted_at, id
    LIMIT :limit
    """
)
RESTORE = text(
    """
    WITH back AS (
        SELECT id
        FROM car_listings
        WHERE id = ANY (CAST(:ids AS bigint[]))
          AND deleted_at IS NOT NULL
        ORDER BY id
        FOR NO KEY UPDATE
    )
    UPDATE car_listings
    SET deleted_at = NULL,
        updated_at = now()
    FROM back
    WHERE car_listings.id = back.id
    RETURNING car_listings.id
    """
)


MISSING = text(
    """
    SELECT id
    FROM unnest(CAST(:ids AS bigint[])) AS id
    WHERE NOT EXISTS (SELECT FROM car_listings WHERE car_listings.id = id.id AND deleted_at IS NOT NULL)
    ORDER BY id
    """
)


@dataclass(frozen=True, slots=True)
class Trashed:
    """A listing in the trash; `goes_at` is when the nightly cleanup may take it."""

    id: int
    title: str
    owner_id: int
    deleted_at: datetime
    goes_at: datetime
    photos: int


class NotInTrash(LookupError):
    """Listings that are not in the trash, by their ids."""


def require_trashed(session: Session, ids: Sequence[int]) -> None:
    """Raise NotInTrash, which names them, for listings that live or are no more."""
    if missing := session.scalars(MISSING, {"ids": list(ids)}).all():
        raise NotInTrash(f"not in the trash: {', '.join(map(str, missing))}; see `forecourt trash list`")


def trashed(session: Session, *, days: int, limit: int = 100) -> list[Trashed]:
    """What lies in the trash, the first to go first."""
    return [Trashed(*row) for row in session.execute(LISTED, {"days": days, "limit": limit})]


def restore(session: Session, ids: Sequence[int]) -> int:
    """Take listings out of the trash, in the caller's transaction: all of them, or none. They are
    as they were, and changed now for the sitemap. Raises NotInTrash."""
    require_trashed(session, ids)
    return len(session.scalars(RESTORE, {"ids": list(ids)}).all())
