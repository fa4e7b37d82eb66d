"""What the database looks like to whoever asks now, as one short text: as long as it is the same,
so are all rows.

A snapshot names the transactions whose writes are seen. Nothing that was committed since is missing
from it, and nothing that was not committed can be read, so a page need not be made again while it
is unchanged.
"""

from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection

CURRENT = "SELECT pg_current_snapshot()::text, now()"


class Seen(NamedTuple):
    """The snapshot, and the database's clock."""

    state: str
    now: datetime


def current(tx: Connection[Any]) -> Seen:
    """What a statement of this transaction would see now."""
    return Seen(*tx.execute(CURRENT).fetchall()[0])
