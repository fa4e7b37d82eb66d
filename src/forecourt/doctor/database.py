"""The database's condition."""

import time
from datetime import UTC, datetime

from forecourt.database.revision import needed, revisions
from forecourt.doctor.check import House, Result, grade
from forecourt.durations import duration
from forecourt.settings import settings
from forecourt.store import vitals

OLDEST_VERSION = 15
SLOW_MS, VERY_SLOW_MS = 50, 500
CONNECTIONS, MOST_CONNECTIONS = 80.0, 95.0
LONG_TRANSACTION, VERY_LONG_TRANSACTION = 15 * 60.0, 4 * 3600.0
SKEW, WIDE_SKEW = 2.0, 60.0
DEAD_ROWS, MANY_DEAD_ROWS = 1_000_000, 20_000_000


def condition(house: House) -> list[Result]:
    """Version, speed, connections, long transactions, clocks, dead rows."""
    begun = time.perf_counter()
    house.tx.execute("SELECT 1")
    took = (time.perf_counter() - begun) * 1000
    seen = vitals.vitals(house.tx)
    used = 100 * seen.connections / seen.most_connections
    skew = abs((datetime.now(UTC) - seen.clock).total_seconds())
    version = seen.version // 10000
    return [
        Result(
            "database", grade(took, SLOW_MS, VERY_SLOW_MS) if version >= OLDEST_VERSION else "fail",
            f"PostgreSQL {version}.{seen.version % 10000} answers in {took:.1f} ms", f"{SLOW_MS} ms, {OLDEST_VERSION} or newer",
            "Look at the load and the network between here and the database.", took, "ms",
        ),
        Result(
            "connections", grade(used, CONNECTIONS, MOST_CONNECTIONS), f"{seen.connections} of {seen.most_connections} in use",
            f"{CONNECTIONS:.0f} %", "Raise max_connections, or put PgBouncer in front: FORECOURT_POOLED.", used, "percent",
        ),
        Result(
            "oldest transaction", grade(seen.oldest_transaction, LONG_TRANSACTION, VERY_LONG_TRANSACTION),
            f"open for {duration(seen.oldest_transaction)}" if seen.oldest_transaction >= 1 else "none is open for long",
            duration(LONG_TRANSACTION), "While it is open nothing deleted is cleaned up. pg_stat_activity shows whose it is.",
            seen.oldest_transaction, "seconds",
        ),
        Result(
            "clocks", grade(skew, SKEW, WIDE_SKEW), f"this machine and the database differ by {duration(skew)}", duration(SKEW),
            "The database's clock counts. Let both machines ask the same time server.", skew, "seconds",
        ),
        Result(
            "dead rows", grade(seen.dead_rows, DEAD_ROWS, MANY_DEAD_ROWS), f"{seen.dead_rows:,} in the queue's tables",
            f"{DEAD_ROWS:,}",
            "Autovacuum does not keep up: look for a long transaction, or an unread replication slot.", seen.dead_rows, "rows",
        ),
    ]  # fmt: skip


def schema(house: House) -> list[Result]:
    """Whether the schema is the one that this code needs."""
    row = house.tx.execute("SELECT version_num FROM forecourt.schema_version").fetchone()
    found = row[0] if row else "nothing"
    old = found in revisions() and found != needed()
    newer = found not in revisions()
    words = f"at {found}" + (f", this code needs {needed()}" if old else ", newer than this code" if newer else "")
    return [
        Result(
            "schema",
            "fail" if old else "warn" if newer else "ok",
            words,
            needed(),
            "forecourt db migrate" if old else "Deploy the newer code here too.",
        )
    ]


def partitions(house: House) -> list[Result]:
    """Whether what is done tomorrow has a partition of its own."""
    there = vitals.has_partition_of_tomorrow(house.tx)
    words = (
        "there is one for tomorrow" if there else "there is none for tomorrow, so finished calls gather in done_rest"
    )
    advice = "A worker makes them each hour: is one running, and may its role create tables? Its log says."
    return [Result("partitions of done", "ok" if there else "warn", words, "one for tomorrow", advice)]


def whose(house: House) -> list[Result]:
    """Whether a production runs on the private server."""
    private = settings().database_url is None
    serious = private and settings().environment not in ("local", "development", "test", "testing")
    words = "the private server, for one machine" if private else "one of its own"
    advice = f"FORECOURT_ENVIRONMENT is {settings().environment}: name a server that is backed up, with FORECOURT_DATABASE_URL."
    return [Result("database server", "warn" if serious else "ok", words, "", advice, tell="never")]
