"""What the database says of its own condition."""

from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection

# Of sessions of other roles one without pg_monitor sees that they are there, and neither their kind
# nor when they began.
VITALS = """
SELECT current_setting('server_version_num')::integer AS version,
       current_setting('max_connections')::integer AS most_connections,
       clients.connections, clients.oldest_transaction, clients.hidden,
       (SELECT coalesce(sum(n_dead_tup), 0)::bigint
        FROM pg_stat_user_tables
        WHERE schemaname = 'forecourt'
          AND relname IN ('ready', 'running', 'scheduled')) AS dead_rows,
       pg_database_size(current_database()) AS size,
       clock_timestamp() AS clock
FROM (
    SELECT count(*) AS connections,
           coalesce(extract(epoch FROM now() - min(xact_start) FILTER (WHERE here)), 0)::float8 AS oldest_transaction,
           count(*) FILTER (WHERE here AND backend_type IS NULL) AS hidden
    FROM (
        SELECT backend_type, xact_start, datname = current_database() AND pid <> pg_backend_pid() AS here
        FROM pg_stat_activity
        WHERE datid IS NOT NULL
          AND usesysid IS NOT NULL
          AND coalesce(backend_type, 'client backend') = 'client backend'
    ) AS client
) AS clients
"""

OVERDUE = """
SELECT id, job, extract(epoch FROM now() - deadline)::float8 AS seconds
FROM forecourt.running
WHERE deadline < now() - make_interval(secs => %(grace)s)
ORDER BY deadline
LIMIT 10
"""

ENDED = """
SELECT coalesce(sum(finished + discarded), 0)::bigint AS well,
       coalesce(sum(failed), 0)::bigint AS failed
FROM forecourt.minutes
WHERE minute > now() - make_interval(mins => %(minutes)s)
"""

# The bounds of a day's partition are instants in UTC.
READ_ONLY = "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean"

PARTITION_OF_TOMORROW = """
SELECT EXISTS (
    SELECT
    FROM pg_inherits AS i
    JOIN pg_class AS c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'forecourt.done'::regclass
      AND c.relname = 'done_' || to_char((now() AT TIME ZONE 'UTC')::date + 1, 'YYYYMMDD')
)
"""


class Vitals(NamedTuple):
    """`oldest_transaction`: seconds since the oldest other transaction here began, but for those of
    `hidden` sessions, which this role may not look into; `dead_rows` of the tables through which
    each call passes; `size` in bytes; `clock` as the statement ran."""

    version: int
    most_connections: int
    connections: int
    oldest_transaction: float
    hidden: int
    dead_rows: int
    size: int
    clock: datetime


class Overdue(NamedTuple):
    """A call that runs on after its deadline, for so many seconds."""

    id: int
    job: str
    seconds: float


def vitals(tx: Connection[Any]) -> Vitals:
    """The database's condition."""
    return Vitals(*tx.execute(VITALS).fetchall()[0])


def overdue(tx: Connection[Any], grace: float) -> list[Overdue]:
    """Calls that should have been killed more than `grace` seconds ago."""
    return [Overdue(*row) for row in tx.execute(OVERDUE, {"grace": grace})]


def ended(tx: Connection[Any], minutes: int) -> tuple[int, int]:
    """How many calls have ended well and failed for good in the last minutes."""
    row = tx.execute(ENDED, {"minutes": minutes}).fetchall()[0]
    return int(row[0]), int(row[1])


def is_read_only(tx: Connection[Any]) -> bool:
    """Whether nothing can be written there: a standby, or a database that somebody made so."""
    return bool(tx.execute(READ_ONLY).fetchall()[0][0])


def has_partition_of_tomorrow(tx: Connection[Any]) -> bool:
    """Whether what is done tomorrow has a partition to go to."""
    return bool(tx.execute(PARTITION_OF_TOMORROW).fetchall()[0][0])
