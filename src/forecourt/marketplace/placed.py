"""Which listings are placed, sponsored or featured, until when, and how to give one more time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from sqlalchemy import text
from sqlalchemy.orm import Session

Kind: TypeAlias = Literal["sponsored", "featured"]

# PostgreSQL has an end in infinity, which is none, and years that Python has not.
LISTED = text(
    """
    WITH placed AS (
        SELECT id, title, owner_id, 'sponsored' AS kind, sponsored_until AS until, NULL::bigint AS position
        FROM car_listings
        WHERE is_sponsored
          AND deleted_at IS NULL
        UNION ALL
        SELECT id, title, owner_id, 'featured', featured_until, featured_position
        FROM car_listings
        WHERE is_featured
          AND deleted_at IS NULL
    )
    SELECT id, title, owner_id, kind, CASE WHEN until < '9000-01-01Z' THEN greatest(until, '2000-01-01Z') END, position
    FROM placed
    WHERE (CAST(:kind AS text) IS NULL OR kind = :kind)
      AND (CAST(:days AS integer) IS NULL OR until <= now() + :days * interval '24 hours')
    ORDER BY until NULLS LAST, id, kind
    LIMIT :limit
    """
)
# From its end, or from now on when that is over already and tonight's run has not come yet.
EXTEND_SPONSORED = text(
    """
    UPDATE car_listings
    SET sponsored_until = greatest(sponsored_until, now()) + :days * interval '24 hours',
        updated_at = now()
    WHERE id = :id
      AND is_sponsored
      AND sponsored_until < '9000-01-01Z'
      AND deleted_at IS NULL
    RETURNING sponsored_until
    """
)
EXTEND_FEATURED = text(
    """
    UPDATE car_listings
    SET featured_until = greatest(featured_until, now()) + :days * interval '24 hours',
        updated_at = now()
    WHERE id = :id
      AND is_featured
      AND featured_until < '9000-01-01Z'
      AND deleted_at IS NULL
    RETURNING featured_until
    """
)


@dataclass(frozen=True, slots=True)
class Placed:
    """One placement of a listing; `until` is None for one without an end, `position` for one that
    is not featured.
    """

    id: int
    title: str
    owner_id: int
    kind: Kind
    until: datetime | None
    position: int | None


class NotPlaced(LookupError):
    """A listing without such a placement, or whose placement has no end."""


def placed(
    session: Session, *, kind: Kind | None = None, ending_within: int | None = None, limit: int = 100
) -> list[Placed]:
    """The placements, the first to end first; those that end within so many days, or all."""
    return [Placed(*row) for row in session.execute(LISTED, {"kind": kind, "days": ending_within, "limit": limit})]


def extend(session: Session, listing_id: int, kind: Kind, days: int) -> datetime:
    """Move the end of a placement by `days` times 24 hours, in the caller's transaction. Returns
    the new end. Raises NotPlaced.
    """
    statement = EXTEND_SPONSORED if kind == "sponsored" else EXTEND_FEATURED
    until: datetime | None = session.scalars(statement, {"id": listing_id, "days": days}).one_or_none()
    if until is None:
        raise NotPlaced(f"listing {listing_id} is not {kind}, or has no end to move; see `forecourt placements list`")
    return until
