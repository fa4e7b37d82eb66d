"""How long finished things are kept: done by partitions of a day, which are dropped whole; ticks
and minutes by age.
"""

import logging
from datetime import date, timedelta
from typing import Any

from psycopg import Connection, sql
from psycopg.errors import InsufficientPrivilege, LockNotAvailable

log = logging.getLogger("forecourt.pruner")

LOCK = "SELECT pg_try_advisory_xact_lock(1718579830)"

TODAY = "SELECT (now() AT TIME ZONE 'UTC')::date"

DAYS = """
SELECT c.relname, to_date(substring(c.relname FROM 'done_(\\d{8})$'), 'YYYYMMDD') AS day
FROM pg_inherits AS i
JOIN pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent = 'forecourt.done'::regclass
  AND c.relname ~ '^done_\\d{8}$'
"""

IN_REST = """
SELECT EXISTS (
    SELECT FROM forecourt.done_rest
    WHERE finished_at >= %(day)s::date::timestamp AT TIME ZONE 'UTC'
      AND finished_at < (%(day)s::date + 1)::timestamp AT TIME ZONE 'UTC'
)
"""

CREATE = """
CREATE TABLE IF NOT EXISTS forecourt.{name} PARTITION OF forecourt.done
FOR VALUES FROM ({first}) TO ({next})
"""

PRUNE_REST = "DELETE FROM forecourt.done_rest WHERE finished_at < now() - make_interval(days => %(days)s)"
PRUNE_TICKS = "DELETE FROM forecourt.ticks WHERE finished_at < now() - make_interval(days => %(days)s)"
PRUNE_PINGS = "DELETE FROM forecourt.pings WHERE sent_at < now() - make_interval(days => %(days)s)"
PRUNE_MINUTES = "DELETE FROM forecourt.minutes WHERE minute < now() - make_interval(days => %(days)s)"
PRUNE_TASKS = """
DELETE FROM forecourt.tasks AS t
WHERE evaluated_until < now() - make_interval(days => %(days)s)
  AND EXISTS (
      SELECT
      FROM forecourt.tasks AS o
      WHERE o.name = t.name
        AND o.evaluated_until > t.evaluated_until + make_interval(days => %(days)s)
  )
"""
PRUNE_CLOCKS = """
DELETE FROM forecourt.clocks
WHERE beat_at < now() - make_interval(days => %(days)s)
  AND beat_at < (SELECT max(beat_at) FROM forecourt.clocks)
"""
PRUNE_BATCHES = "DELETE FROM forecourt.batches WHERE finished_at < now() - make_interval(days => %(days)s)"
PRUNE_AUDIT = "DELETE FROM forecourt.audit WHERE at < now() - make_interval(days => %(days)s)"
PRUNE_WORKERS = "DELETE FROM forecourt.past_workers WHERE gone_at < now() - make_interval(days => %(days)s)"
PRUNE_UNIQUES = "DELETE FROM forecourt.uniques WHERE until < now()"


def alone(tx: Connection[Any]) -> bool:
    """Whether nobody else is pruning; the answer holds until the transaction ends."""
    row = tx.execute(LOCK).fetchone()
    return row is not None and bool(row[0])


def keep_partitions(tx: Connection[Any], *, ahead: int, days: int) -> int:
    """Have a partition for today and `ahead` days after it, and drop those older than `days`.
    Returns how many changed.

    A day that already has rows in the default partition gets none: they stay there until they are
    too old. So it is with a day whose partition cannot be made now, because somebody reads the
    table for long, or ever, because the role may not: the log says so, and nothing is lost.
    """
    changed = tx.execute(PRUNE_REST, {"days": days}).rowcount
    today = tx.execute(TODAY).fetchall()[0][0]
    known = {row[1]: row[0] for row in tx.execute(DAYS)}
    wanted = [today + timedelta(days=offset) for offset in range(ahead + 1)]
    missing = [day for day in wanted if day not in known and not tx.execute(IN_REST, {"day": day}).fetchall()[0][0]]
    old = [name for day, name in known.items() if day < today - timedelta(days=days)]
    try:
        with tx.transaction():
            tx.execute("SET LOCAL lock_timeout = '2s'")
            for day in missing:
                tx.execute(partition_of(day))
            for name in old:
                tx.execute(sql.SQL("DROP TABLE forecourt.{}").format(sql.Identifier(name)))
    except (LockNotAvailable, InsufficientPrivilege) as error:
        log.warning(
            "the partitions of done stay as they are, so finished calls gather in done_rest: %s",
            error.diag.message_primary,
        )
        return changed
    return changed + len(missing) + len(old)


def partition_of(day: date) -> sql.Composed:
    """The statement that makes a day's partition of what is done."""
    return sql.SQL(CREATE).format(
        name=sql.Identifier(f"done_{day:%Y%m%d}"),
        first=sql.Literal(f"{day} 00:00:00+00"),
        next=sql.Literal(f"{day + timedelta(days=1)} 00:00:00+00"),
    )


def prune_ticks(tx: Connection[Any], days: int) -> int:
    """Forget due times that ended more than `days` ago, and pings that are as old."""
    tx.execute(PRUNE_PINGS, {"days": days})
    return tx.execute(PRUNE_TICKS, {"days": days}).rowcount


def prune_minutes(tx: Connection[Any], days: int) -> int:
    """Forget counts older than `days`."""
    return tx.execute(PRUNE_MINUTES, {"days": days}).rowcount


def prune_tasks(tx: Connection[Any], days: int) -> int:
    """Forget the versions of a task that nobody has evaluated for `days` while others of it were:
    those that were replaced, and those of hosts that are gone. Of a task that nobody evaluates at
    all the last is kept, so that it goes on from there. The clocks of such hosts go too.
    """
    return tx.execute(PRUNE_TASKS, {"days": days}).rowcount + tx.execute(PRUNE_CLOCKS, {"days": days}).rowcount


def prune_batches(tx: Connection[Any], days: int) -> int:
    """Forget batches that finished more than `days` ago."""
    return tx.execute(PRUNE_BATCHES, {"days": days}).rowcount


def prune_audit(tx: Connection[Any], days: int) -> int:
    """Forget what operators did more than `days` ago."""
    return tx.execute(PRUNE_AUDIT, {"days": days}).rowcount


def prune_workers(tx: Connection[Any], days: int) -> int:
    """Forget where workers ran that were gone more than `days` ago."""
    return tx.execute(PRUNE_WORKERS, {"days": days}).rowcount


def prune_uniques(tx: Connection[Any]) -> int:
    """Remove the keys whose time is over. Those of live calls go with their calls."""
    return tx.execute(PRUNE_UNIQUES).rowcount
