"""Raw events that grew old leave the database for Parquet files, and nothing leaves that was not
read back.

The work goes by units: each day partition that is older than the cutoff altogether, then whatever
else is older, which is the rest of the cutoff's own day and strays in the default partition. A unit
is one transaction: keep writers out, aggregate what its days are still owed, write the file, read
it back and compare, drop. Killed at any point it has changed nothing but the file, which
`analytics_archives` named before it was made, and which the next run removes.
"""

import logging
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from uuid import uuid4

from psycopg import errors, sql
from sqlalchemy import text
from sqlalchemy.orm import Session

from forecourt import job
from forecourt.database import in_transaction_of, session
from forecourt.marketplace import places
from forecourt.marketplace.analytics import LOCK, settle
from forecourt.marketplace.business import business
from forecourt.marketplace.paging import pages
from forecourt.marketplace.partitions import Partition, partitions

log = logging.getLogger(__name__)

LONGEST = 36_500
"""Days; a hundred years."""

DROP_TRIES = 60
"""A drop needs the parent table for itself for an instant. It waits 0.2 s at a time, while new
events queue behind it, and then lets them through for 0.5 s."""

# The transaction that holds the lock is idle while files go into a bucket and are read back, which
# may take hours.
PATIENCE = text("SET LOCAL idle_in_transaction_session_timeout = '6h'")
CUTOFF = text("SELECT now() - :days * interval '24 hours'")
PLAN = text("SELECT count(*) FROM car_listing_analytics WHERE created_at < now() - :days * interval '24 hours'")
OLDEST = text("SELECT min(created_at) FROM car_listing_analytics WHERE created_at < :cutoff")
CONTENTS = text(
    """
    SELECT count(*) AS rows, min(id) AS min_id, max(id) AS max_id, sum(id) AS sum_id
    FROM car_listing_analytics
    WHERE created_at >= :lower
      AND created_at < :upper
    """
)

# An address is personal data, and an archive that kept it would undo the 180 days: the last octet
# of an IPv4 address and the last 80 bits of an IPv6 address are zeroed on the way out. Lines of
# CSV, but not by COPY, which hands over row by row: those of sixteen pages of a table are one row,
# however many they are. Between 2000 and 2100 microseconds are exact in a float, and `extract`
# would go through numeric.
EVENTS = sql.SQL(
    """
    SELECT lines
    FROM (
        SELECT max(pg_relation_size(quote_ident(name)::regclass)) / current_setting('block_size')::bigint AS last
        FROM unnest(%(tables)s::text[]) AS name
    ) AS pages
    CROSS JOIN generate_series(0, last, 16) AS first
    CROSS JOIN LATERAL (
        SELECT string_agg(
                   id || ',' || car_listing_id
                   || ',"' || replace(event_type, '"', '""') || '",'
                   || coalesce(
                       '"' || host(network(set_masklen(user_ip, CASE family(user_ip) WHEN 4 THEN 24 ELSE 48 END))) || '"', ''
                   )
                   || ',' || (date_part('epoch', created_at) * 1000000)::bigint || chr(10),
                   ''
               ) AS lines
        FROM car_listing_analytics
        WHERE created_at >= %(lower)s
          AND created_at < %(upper)s
          AND ctid >= format('(%%s,0)', first)::tid
          AND ctid < format('(%%s,0)', first + 16)::tid
    ) AS block
    WHERE lines IS NOT NULL
    """
)
AT_A_TIME = 16
"""Rows fetched at a time: a megabyte."""

DELETE = text(
    """
    WITH gone AS (
        DELETE FROM car_listing_analytics
        WHERE created_at >= :lower
          AND created_at < :upper
        RETURNING 1
    )
    SELECT count(*) FROM gone
    """
)

BEGIN = text("INSERT INTO analytics_archives (path, lower, upper) VALUES (:path, :lower, :upper) RETURNING id")
UNFINISHED = text("DELETE FROM analytics_archives WHERE dropped_at IS NULL RETURNING path")
FINISH = text(
    """
    UPDATE analytics_archives
    SET dropped_at = clock_timestamp(),
        rows = :rows,
        min_id = :min_id,
        max_id = :max_id,
        sum_id = :sum_id,
        content = :digest,
        bytes = :bytes
    WHERE id = :id
    """
)


class ArchiveError(RuntimeError):
    """A file does not hold what the database holds. Nothing was dropped."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Events of [lower, upper) that leave together, and the tables they lie in; `partition` when it
    goes as a whole.
    """

    lower: datetime
    upper: datetime
    tables: tuple[str, ...]
    partition: Partition | None = None


def plan(days: int | None = None) -> int:
    """How many events `archive_old_analytics(days)` would take out of the database now."""
    with session() as reader:
        count: int = reader.scalars(PLAN, {"days": _checked(reader, days)}).one()
        return count


def cutoff_of(days: int | None = None) -> datetime:
    """Before which instant `archive_old_analytics(days)` would take events now. Raises
    ValueError.
    """
    with session() as reader:
        found: datetime = reader.scalars(CUTOFF, {"days": _checked(reader, days)}).one()
        return found


@job(queue="low", timeout=6 * 3600)
def archive_old_analytics(days: int | None = None) -> dict[str, int]:
    """Move raw events older than `days` times 24 hours to Parquet files in the archive, then drop
    them; by default as many as the setting `archive_days` has.

    Returns how many events, files and bytes. Runs at the same time share the work. Raises
    ValueError for `days` below 1, ArchiveError when a file does not read back as the database has
    it.
    """
    cutoff = cutoff_of(days)
    counts = {"events": 0, "files": 0, "bytes": 0}
    while (moved := _archive_next(cutoff)) is not None:
        events, size = moved
        counts["events"] += events
        counts["files"] += events > 0
        counts["bytes"] += size
    log.info("Archived old analytics", extra={"cutoff_date": cutoff, "records_deleted": counts["events"]})
    return counts


def _archive_next(cutoff: datetime) -> tuple[int, int] | None:
    """Archive the oldest unit and return its events and bytes; None when nothing is older than the
    cutoff.
    """
    with session() as tx:
        tx.execute(LOCK)
        tx.execute(PATIENCE)
        remove_unfinished(tx)
        unit = _next_unit(tx, cutoff)
        if unit is None:
            return None
        tx.execute(text("SET LOCAL lock_timeout = '2s'"))
        connection = in_transaction_of(tx)
        for table in unit.tables:
            connection.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(sql.Identifier(table)))
        settle(tx, before=unit.upper)
        rows, size = _save(tx, unit)
        _drop(tx, unit, rows)
        return rows, size


def _next_unit(tx: Session, cutoff: datetime) -> Unit | None:
    known = partitions(tx)
    for partition in known:
        if partition.upper <= cutoff:
            return Unit(partition.lower, partition.upper, (partition.name,), partition)
    oldest = tx.scalars(OLDEST, {"cutoff": cutoff}).one()
    if oldest is None:
        return None
    reaching = tuple(partition.name for partition in known if partition.lower < cutoff)
    return Unit(oldest, cutoff, ("car_listing_analytics_default", *reaching))


def _save(tx: Session, unit: Unit) -> tuple[int, int]:
    """Write the unit's file, publish it, read it back, compare, and note it. Returns events and
    bytes.
    """
    # Here and not above: pyarrow starts a thread when it is imported, and slots are forked from a
    # process that must have none.
    from forecourt.marketplace import event_files

    bounds = {"lower": unit.lower, "upper": unit.upper}
    found = tx.execute(CONTENTS, bounds).one()
    if not found.rows:
        return 0, 0
    begin = unit.lower.astimezone(UTC)
    name = f"{begin:%Y}/car_listing_analytics-{begin:%Y-%m-%d}-{uuid4().hex[:12]}.parquet"
    with session() as other:  # committed first: a file without a row would never be found again
        archive = other.scalars(BEGIN, {**bounds, "path": name}).one()
    storage = places.archive()
    with storage.draft(name) as path, closing(_events(tx, unit)) as events:
        digest = event_files.write(path, events)
    expected = event_files.Contents(found.rows, found.min_id, found.max_id, int(found.sum_id), digest)
    with storage.local(name) as path:
        written = event_files.read(path)
        size = path.stat().st_size
    if written != expected:
        raise ArchiveError(
            f"{name} in {storage.where}: the database holds {expected}, the file {written}; nothing was dropped"
        )
    tx.execute(FINISH, {"id": archive, "bytes": size, **asdict(written)})
    return found.rows, size


def _events(tx: Session, unit: Unit) -> Generator[bytes, None, None]:
    found = {"lower": unit.lower, "upper": unit.upper, "tables": list(unit.tables)}
    with closing(pages(in_transaction_of(tx), EVENTS, found, AT_A_TIME)) as fetched:
        for rows in fetched:
            yield "".join([lines for (lines,) in rows]).encode()


def _drop(tx: Session, unit: Unit, rows: int) -> None:
    if unit.partition is not None:
        _drop_partition(tx, unit.partition)
        return
    deleted = tx.scalars(DELETE, {"lower": unit.lower, "upper": unit.upper}).one()
    if deleted != rows:
        raise ArchiveError(f"{rows} events were written and {deleted} would be deleted; nothing was dropped")


def _drop_partition(tx: Session, partition: Partition) -> None:
    tx.execute(text("SET LOCAL lock_timeout = '200ms'"))
    for tries_left in reversed(range(DROP_TRIES)):
        try:
            with tx.begin_nested():
                in_transaction_of(tx).execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(partition.name)))
            return
        except (errors.LockNotAvailable, errors.DeadlockDetected):
            if not tries_left:
                raise
            time.sleep(0.5)


def remove_unfinished(tx: Session) -> None:
    """Remove the files that nobody finished: their events are still in the database, or in another
    file. The caller holds LOCK.
    """
    storage = places.archive()
    unfinished = tx.scalars(UNFINISHED).all()
    for name in unfinished:
        storage.delete(name)
    if unfinished:
        storage.remove_unfinished(0.0)  # nobody else writes: we hold the lock


def _checked(reader: Session, days: int | None) -> int:
    if days is None:
        return business(reader).archive_days
    if not 1 <= days <= LONGEST:
        raise ValueError(f"days: expected 1 to {LONGEST}, not {days}")
    return days
