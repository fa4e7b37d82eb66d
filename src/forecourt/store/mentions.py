"""What calls that may still run speak of: files, rows and whatever else must stay for them."""

from typing import Any

from psycopg import Connection

# One statement, one snapshot: a call that moves from table to table meanwhile is in exactly one of
# them. Links of a chain and callbacks of a batch are calls to come; they wait in the options of
# another, or in its batch.
MENTIONED = """
WITH words AS (
    SELECT args::text || options::text AS said FROM forecourt.ready
    UNION ALL
    SELECT args::text || options::text FROM forecourt.scheduled
    UNION ALL
    SELECT args::text || options::text FROM forecourt.running
    UNION ALL
    SELECT args::text || options::text FROM forecourt.failed WHERE %(failed)s
    UNION ALL
    SELECT concat(on_success, on_failure, at_last) FROM forecourt.batches WHERE finished_at IS NULL
)
SELECT DISTINCT found[1]
FROM words, regexp_matches(said, %(pattern)s, 'g') AS found
"""


def mentioned(tx: Connection[Any], pattern: str, *, failed: bool) -> set[str]:
    """Every text that matches the regular expression in the arguments of calls that wait or run,
    are still to be made by these, or, with `failed`, may be retried by hand."""
    return {text for (text,) in tx.execute(MENTIONED.encode(), {"pattern": pattern, "failed": failed})}
