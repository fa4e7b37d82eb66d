"""The day partitions of the raw events: made ahead of time, listed by the instants they cover."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

DAYS_AHEAD = 14
"""So many nights in a row may fail before an event lands in the default partition. There it is
counted and archived like any other, only slower."""

MAKE = text("SELECT premake_analytics_partitions(:days_ahead)")

# The bounds are parsed in the session that prints them, so its TimeZone does not matter.
COVERED = text(
    """
    SELECT partition.relname AS name, bounds[1]::timestamptz AS lower, bounds[2]::timestamptz AS upper
    FROM pg_inherits
    JOIN pg_class AS partition ON partition.oid = pg_inherits.inhrelid
    CROSS JOIN regexp_match(
        pg_get_expr(partition.relpartbound, partition.oid), $$FROM \\('(.+)'\\) TO \\('(.+)'\\)$$
    ) AS bounds
    WHERE pg_inherits.inhparent = 'public.car_listing_analytics'::regclass
      AND bounds IS NOT NULL
    ORDER BY lower
    """
)


@dataclass(frozen=True, slots=True)
class Partition:
    """A table that holds the events of [lower, upper)."""

    name: str
    lower: datetime
    upper: datetime


def premake(session: Session) -> int:
    """Make the partitions from yesterday to two weeks ahead that are missing, and return how many.

    Events of such a day that went to the default partition meanwhile move over. Locks the default
    partition until the transaction ends, so call it last. Raises OperationalError when the lock is
    not to be had within 2 s.
    """
    made: int = session.scalars(MAKE, {"days_ahead": DAYS_AHEAD}).one()
    return made


def partitions(session: Session) -> list[Partition]:
    """Every partition with bounds, oldest first; the default partition has none."""
    return [Partition(*row) for row in session.execute(COVERED)]
