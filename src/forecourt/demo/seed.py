"""Makes the marketplace once, and gives it new work for each further night."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import text

from forecourt.database import in_transaction_of, session
from forecourt.database.revision import version
from forecourt.demo.events import come_late, fill
from forecourt.demo.people import LISTINGS, PROVIDERS, arrive
from forecourt.demo.photographs import hang


@dataclass(frozen=True, slots=True)
class Scale:
    """How large the marketplace is, and how much happens in its night."""

    blocks: int = 25
    """Of 12 people, 8 providers and 200 listings each."""
    days: int = 200
    events: int = 300_000
    views: int = 20_000
    photo_sets: int = 40

    @property
    def providers(self) -> int:
        return self.blocks * PROVIDERS

    @property
    def listings(self) -> int:
        return self.blocks * LISTINGS


class NotTheDemos(Exception):
    """The database holds somebody's data; the demo makes its marketplace in an empty one alone."""


# The dice are what hash partitioning is made of, so they fall alike on every machine and in every
# version.
SCHEMA = text(
    """
    CREATE SCHEMA demo;
    CREATE FUNCTION demo.dice(n bigint, throw integer, sides integer) RETURNS integer
        LANGUAGE sql IMMUTABLE PARALLEL SAFE
        AS $$ SELECT ((hashint8extended(n, throw) & 9223372036854775807) % sides)::integer $$;
    CREATE TABLE demo.marketplace (blocks integer NOT NULL, made_at timestamptz NOT NULL DEFAULT now());
    CREATE TABLE demo.nights (
        number   integer     GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        began_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE TABLE demo.steps (
        night     integer     NOT NULL REFERENCES demo.nights,
        step      integer     NOT NULL,
        pid       integer     NOT NULL,
        listings  bigint      NOT NULL,
        walked_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (night, step)
    );
    """
)
"""All that the demo adds to a database: DROP SCHEMA demo CASCADE takes it away again."""

LOCK = text("SELECT pg_advisory_xact_lock(hashtext('forecourt.demo.seed'))")
MADE = text("SELECT to_regclass('demo.marketplace') IS NOT NULL")
STRANGERS = text(
    """
    SELECT (SELECT count(*) FROM users) AS users,
           (SELECT count(*) FROM car_listings) AS listings
    """
)
NOTE = text("INSERT INTO demo.marketplace (blocks) VALUES (:blocks)")
ONE_MORE = text("UPDATE demo.marketplace SET blocks = blocks + 1 RETURNING blocks - 1")
BEGIN = text("INSERT INTO demo.nights DEFAULT VALUES RETURNING number")
ALL_LISTINGS = text("SELECT id FROM car_listings ORDER BY id")
ANALYZE = text("ANALYZE users, car_providers, car_listings, car_listing_daily_stats")


def require_ours() -> None:
    """Raise NotTheDemos when the database holds data of the marketplace that the demo did not make.
    Changes nothing.
    """
    with session() as reader:
        if version(in_transaction_of(reader)) is None or reader.scalars(MADE).one():
            return
        found = reader.execute(STRANGERS).one()
    if any(found):
        raise NotTheDemos(
            f"this database holds {found.users:,} users and {found.listings:,} listings that the demo did not make; it makes "
            "its marketplace in an empty database alone. Unset FORECOURT_DATABASE_URL, or choose another folder with "
            "FORECOURT_VAR"
        )


def seed(scale: Scale, tell: Callable[[int], None] = lambda days: None) -> bool:
    """Make the marketplace, whole or not at all; False when it is there already, and then nothing
    changes.

    `tell` is called with the days of events made so far. The database must be ours.
    """
    with session() as tx:
        tx.execute(LOCK)
        if tx.scalars(MADE).one():
            return False
        tx.execute(SCHEMA)
        arrived = arrive(tx, 0, scale.blocks - 1)
        hang(tx, arrived.doomed[::3])
        fill(tx, arrived.listings, scale.days, scale.events, tell)
        tx.execute(NOTE, {"blocks": scale.blocks})
        tx.execute(ANALYZE)
    return True


def begin_night(scale: Scale) -> int:
    """Number a night, from 1. Before each but the first another block moves in, and events come
    late: work for every task.
    """
    with session() as tx:
        tx.execute(LOCK)
        number: int = tx.scalars(BEGIN).one()
        if number > 1:
            block = tx.scalars(ONE_MORE).one()
            hang(tx, arrive(tx, block, block).doomed[::3])
            come_late(tx, list(tx.scalars(ALL_LISTINGS)), number, scale.events // scale.days)
    return number
