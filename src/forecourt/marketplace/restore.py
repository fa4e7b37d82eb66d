"""Brings archived events back, beside the live ones: in `car_listing_analytics_restored`, to be queried and truncated.

Not among the live ones: the next archive run would archive them twice, and truncated addresses must not be counted as
visitors.
"""

from pathlib import Path

from sqlalchemy import text

from forecourt.database import in_transaction_of, session
from forecourt.marketplace import event_files
from forecourt.marketplace.archive import ArchiveError
from forecourt.marketplace.event_files import Contents
from forecourt.settings import settings

NOTED = text(
    """
    SELECT rows, min_id, max_id, sum_id, content AS digest
    FROM analytics_archives
    WHERE path = :path
      AND dropped_at IS NOT NULL
    """
)
RECEIVE = text(
    """
    CREATE TEMPORARY TABLE received (
        id bigint, car_listing_id bigint, event_type text, user_ip inet, created_at bigint
    ) ON COMMIT DROP
    """
)
ADD = text(
    """
    WITH added AS (
        INSERT INTO car_listing_analytics_restored (id, car_listing_id, event_type, user_ip, created_at)
        SELECT id, car_listing_id, event_type, user_ip, '1970-01-01Z'::timestamptz + created_at * interval '1 microsecond'
        FROM received
        ON CONFLICT DO NOTHING
        RETURNING 1
    )
    SELECT count(*) FROM added
    """
)


def restore(path: Path) -> dict[str, int]:
    """Load one archive file and return how many events it holds and how many were not restored before.

    `path` may be relative to `settings().archive`. Raises LookupError for a file that no archive run finished, and
    ArchiveError, or an ArrowException or OSError, for one that changed since.
    """
    folder = settings().archive.resolve()
    full = (folder / path).resolve()
    with session() as tx:
        name = str(full.relative_to(folder)) if full.is_relative_to(folder) else str(full)
        noted = tx.execute(NOTED, {"path": name}).one_or_none()
        if noted is None:
            raise LookupError(f"no archive is named {name!r}; `analytics_archives` names those in {folder}")
        expected = Contents(noted.rows, noted.min_id, noted.max_id, int(noted.sum_id), noted.digest)
        found = event_files.read(full)
        if found != expected:
            raise ArchiveError(f"{full} held {expected} when it was archived and holds {found} now")
        tx.execute(RECEIVE)
        with in_transaction_of(tx).cursor() as cursor, cursor.copy("COPY received FROM STDIN (FORMAT csv)") as rows:
            for block in event_files.lines(full):
                rows.write(block)
        return {"events": found.rows, "restored": tx.scalars(ADD).one()}
