"""The database's condition."""

import time
from datetime import UTC, datetime
from typing import Any

from psycopg import Connection

from forecourt.database import replica
from forecourt.database.revision import needed, revisions, version
from forecourt.doctor.check import House, Result, Status, grade
from forecourt.durations import duration
from forecourt.language import gettext as _
from forecourt.language import listed, marked, some
from forecourt.settings import settings
from forecourt.store import vitals

OLDEST_VERSION = 15
SLOW_MS, VERY_SLOW_MS = 50, 500
CONNECTIONS, MOST_CONNECTIONS = 80.0, 95.0
LONG_TRANSACTION, VERY_LONG_TRANSACTION = 15 * 60.0, 4 * 3600.0
SKEW, WIDE_SKEW = 2.0, 60.0
BEHIND = 60.0
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
            marked("database"), grade(took, SLOW_MS, VERY_SLOW_MS) if version >= OLDEST_VERSION else "fail",
            _("PostgreSQL %(version)s answers in %(count)s ms", version=f"{version}.{seen.version % 10000}", count=f"{took:.1f}"),
            _("%(count)s ms, %(version)s or newer", count=SLOW_MS, version=OLDEST_VERSION),
            _("Look at the load and the network between here and the database."), took, "ms",
        ),
        Result(
            marked("connections"), grade(used, CONNECTIONS, MOST_CONNECTIONS),
            _("%(used)s of %(most)s in use", used=seen.connections, most=seen.most_connections),
            f"{CONNECTIONS:.0f} %", _("Raise max_connections, or put PgBouncer in front: FORECOURT_POOLED."), used, "percent",
        ),
        Result(
            marked("oldest transaction"), grade(seen.oldest_transaction, LONG_TRANSACTION, VERY_LONG_TRANSACTION),
            _oldest(seen, house.tx.info.user), duration(LONG_TRANSACTION),
            _("While it is open nothing deleted is cleaned up. pg_stat_activity shows whose it is."),
            seen.oldest_transaction, "seconds",
        ),
        Result(
            marked("clocks"), grade(skew, SKEW, WIDE_SKEW),
            _("this machine and the database differ by %(time)s", time=duration(skew)), duration(SKEW),
            _("The database's clock counts. Let both machines ask the same time server."), skew, "seconds",
        ),
        Result(
            marked("dead rows"), grade(seen.dead_rows, DEAD_ROWS, MANY_DEAD_ROWS),
            _("%(count)s in the queue's tables", count=f"{seen.dead_rows:,}"),
            f"{DEAD_ROWS:,}",
            _("Autovacuum does not keep up: look for a long transaction, or an unread replication slot."), seen.dead_rows, "rows",
        ),
    ]  # fmt: skip


def _oldest(seen: vitals.Vitals, role: str) -> str:
    open_for = _("open for %(time)s", time=duration(seen.oldest_transaction))
    words = open_for if seen.oldest_transaction >= 1 else _("none is open for long")
    if not seen.hidden:
        return words
    hidden = some(seen.hidden, "session of another role is hidden", "sessions of other roles are hidden")
    return listed([words, _("%(hidden)s: GRANT pg_monitor TO %(role)s", hidden=hidden, role=role[:60])])


def standby(_house: House) -> list[Result]:
    """How far the standby is behind, where one is named. Without it the primary does its work."""
    if settings().replica_url is None:
        return []
    advice = _(
        "Look at pg_stat_replication on the primary and at FORECOURT_REPLICA_URL. Until then the primary is read."
    )
    try:
        seconds = replica.behind().total_seconds()
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it is the result
        words = _("cannot be read:") + f" {error}".partition("\n")[0]
        return [Result(marked("standby"), "warn", words, duration(BEHIND), advice)]
    words = _("at most %(time)s behind", time=duration(seconds))
    return [
        Result(
            marked("standby"), "warn" if seconds > BEHIND else "ok", words, duration(BEHIND), advice, seconds, "seconds"
        )
    ]


def migrated(tx: Connection[Any]) -> tuple[Status, str]:
    """Whether the schema is the one that this code needs, and which it is, in words."""
    found = version(tx) or "nothing"
    if found == needed():
        return "ok", _("at %(found)s", found=found)
    if found == "nothing" or found in revisions():
        return "fail", _("at %(found)s, this code needs %(needed)s", found=found, needed=needed())
    return "warn", _("at %(found)s, newer than this code", found=found)


def schema(house: House) -> list[Result]:
    """Whether the schema is the one that this code needs."""
    status, words = migrated(house.tx)
    advice = "forecourt db migrate" if status == "fail" else _("Deploy the newer code here too.")
    return [Result(marked("schema"), status, words, needed(), advice)]


def partitions(house: House) -> list[Result]:
    """Whether what is done tomorrow has a partition of its own."""
    there = vitals.has_partition_of_tomorrow(house.tx)
    words = (
        _("there is one for tomorrow")
        if there
        else _("there is none for tomorrow, so finished calls gather in done_rest")
    )
    advice = _("A worker makes them each hour: is one running, and may its role create tables? Its log says.")
    return [Result(marked("partitions of done"), "ok" if there else "warn", words, _("one for tomorrow"), advice)]


def whose(house: House) -> list[Result]:
    """Whether it can be written, and a production does not run on the private server."""
    if vitals.is_read_only(house.tx):
        read_only = _("nothing can be written there: a standby, or made read-only")
        return [
            Result(marked("database server"), "fail", read_only, "", _("FORECOURT_DATABASE_URL must name the primary."))
        ]
    private = settings().database_url is None
    serious = private and settings().environment not in ("local", "development", "test", "testing")
    words = _("the private server, for one machine") if private else _("one of its own")
    advice = _(
        "FORECOURT_ENVIRONMENT is %(name)s: name a server that is backed up, with FORECOURT_DATABASE_URL.",
        name=settings().environment,
    )
    return [Result(marked("database server"), "warn" if serious else "ok", words, "", advice, tell="never")]
