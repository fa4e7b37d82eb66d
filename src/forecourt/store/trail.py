"""What operators did, as the audit page lists it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

# Of a thousand ids nobody reads more than the first.
ENTRIES = """
SELECT id, at, who, action, count,
       CASE WHEN pg_column_size(target) < 4000 THEN target ELSE '{}' END AS target
FROM forecourt.audit
WHERE id < coalesce(%(before)s::bigint, 9223372036854775807)
ORDER BY id DESC
LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """An action: who did what to what, and to how many. A long target is left out."""

    id: int
    at: datetime
    who: str
    action: str
    count: int | None
    target: dict[str, Any]


def entries(tx: Connection[Any], *, before: int | None = None, limit: int = 100) -> list[Entry]:
    """The latest actions, newest first; `before` an id for the next page."""
    with tx.cursor(row_factory=class_row(Entry)) as cursor:
        return cursor.execute(ENTRIES, {"before": before, "limit": limit}).fetchall()
