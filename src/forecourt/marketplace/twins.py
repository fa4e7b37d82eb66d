"""Photos that are on another listing as well: a finding for whoever looks after the marketplace,
never a refusal.

Two photos are of one picture when their hashes differ in seven bits of 64 at most: such two share
one of eight bytes, by which the index finds them. A picture of one colour has the hash of every
other such, and is left out.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

MOST_BITS = 7
PLAIN = 6
"""A hash of fewer bits set, or fewer not set, is of a picture with hardly anything in it."""

ENOUGH = 20
"""Findings of one set of photos; a picture that a hundred listings share is known after that."""

log = logging.getLogger(__name__)

# Two that publish one picture at the same time would not see each other's. Taken after the
# listing's row, by all in this order.
ONE_BY_ONE = text("SELECT pg_advisory_xact_lock(hashtextextended('forecourt.photo_twins', 0))")
FORGET = text("DELETE FROM photo_hashes WHERE car_listing_id = :listing_id")
# A set may hold a photo twice; a key has one hash for ever.
NOTE = text(
    """
    INSERT INTO photo_hashes (car_listing_id, key, dhash)
    SELECT :listing_id, key, dhash
    FROM unnest(CAST(:keys AS text[]), CAST(:hashes AS bigint[])) AS photo(key, dhash)
    ON CONFLICT (car_listing_id, key) DO NOTHING
    """
)
# A listing that is being deleted takes what is noted of it along, so its row is held until that is
# committed, and waited for first.
FIND = text(
    """
    WITH found AS (
        SELECT DISTINCT ON (mine.key, other.car_listing_id)
               mine.car_listing_id, mine.key, other.car_listing_id AS other_listing_id, other.key AS other_key,
               bit_count((mine.dhash # other.dhash)::bit(64)) AS bits
        FROM photo_hashes AS mine
        JOIN photo_hashes AS other ON photo_bands(other.dhash) && photo_bands(mine.dhash)
        WHERE mine.car_listing_id = :listing_id
          AND mine.key = ANY (:keys)
          AND other.car_listing_id <> mine.car_listing_id
          AND bit_count((mine.dhash # other.dhash)::bit(64)) <= :most
          AND bit_count(mine.dhash::bit(64)) BETWEEN :plain AND 64 - :plain
        ORDER BY mine.key, other.car_listing_id, bit_count((mine.dhash # other.dhash)::bit(64))
        LIMIT :enough
    ),
    held AS (
        SELECT id
        FROM car_listings
        WHERE id IN (SELECT other_listing_id FROM found)
        ORDER BY id
        FOR KEY SHARE
    )
    INSERT INTO photo_twins (car_listing_id, key, other_listing_id, other_key, bits)
    SELECT car_listing_id, key, other_listing_id, other_key, bits
    FROM found
    JOIN held ON held.id = other_listing_id
    ON CONFLICT (car_listing_id, key, other_listing_id) DO NOTHING
    RETURNING car_listing_id, other_listing_id
    """
)
LIST = text(
    """
    SELECT twin.id, twin.car_listing_id, listing.title, twin.other_listing_id, other.title AS other_title, twin.key, twin.bits,
           listing.owner_id = other.owner_id AS same_owner, twin.found_at, twin.settled_at, twin.settled_by
    FROM photo_twins AS twin
    JOIN car_listings AS listing ON listing.id = twin.car_listing_id
    JOIN car_listings AS other ON other.id = twin.other_listing_id
    WHERE :also_settled OR twin.settled_at IS NULL
    ORDER BY twin.id DESC
    LIMIT :limit
    """
)
SETTLE = text(
    """
    UPDATE photo_twins
    SET settled_at = now(),
        settled_by = :who
    WHERE id = ANY (CAST(:ids AS bigint[]))
      AND settled_at IS NULL
    RETURNING id
    """
)


@dataclass(frozen=True, slots=True)
class Twin:
    """A photo of one listing that is on another as well. `bits`: by how much the hashes differ, 0
    to 7.
    """

    id: int
    listing_id: int
    title: str
    other_listing_id: int
    other_title: str
    key: str
    bits: int
    same_owner: bool
    found_at: datetime
    settled_at: datetime | None
    settled_by: str | None


def note(session: Session, listing_id: int, hashes: Sequence[tuple[str, str]], *, keep_others: bool) -> int:
    """Note the hashes of a listing's new photos, by their keys, and what they are twins of; returns
    how many findings are new. Without `keep_others` the listing has no other photos any more."""
    session.execute(ONE_BY_ONE)
    if not keep_others:
        session.execute(FORGET, {"listing_id": listing_id})
    keys = [key for key, _ in hashes]
    signed = [int.from_bytes(bytes.fromhex(dhash), signed=True) for _, dhash in hashes]
    session.execute(NOTE, {"listing_id": listing_id, "keys": keys, "hashes": signed})
    facts = {"listing_id": listing_id, "keys": keys, "most": MOST_BITS, "plain": PLAIN, "enough": ENOUGH}
    found = session.execute(FIND, facts).all()
    for other in sorted({twin.other_listing_id for twin in found}):
        log.warning("a photo of listing %d is on listing %d as well", listing_id, other)
    return len(found)


def twins(session: Session, *, also_settled: bool = False, limit: int = 100) -> list[Twin]:
    """What was found, newest first."""
    return [Twin(*row) for row in session.execute(LIST, {"also_settled": also_settled, "limit": limit})]


def settle(session: Session, ids: Sequence[int], who: str) -> list[int]:
    """Somebody has looked at these findings: they are not shown again. Returns which were open."""
    return list(session.scalars(SETTLE, {"ids": list(ids), "who": who}))
