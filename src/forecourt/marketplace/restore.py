"""Brings archived events back, beside the live ones: in `car_listing_analytics_restored`, to be
queried and truncated.

Not among the live ones: the next archive run would archive them twice, and truncated addresses must
not be counted as visitors.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Row, text

from forecourt.database import in_transaction_of, session
from forecourt.marketplace import event_files, places
from forecourt.marketplace.archive import ArchiveError
from forecourt.marketplace.event_files import Contents
from forecourt.marketplace.folder import Folder

NOTED = text(
    """
    SELECT path, lower, upper, dropped_at, rows, min_id, max_id, sum_id, content AS digest, bytes
    FROM analytics_archives
    WHERE dropped_at IS NOT NULL
      AND (CAST(:path AS text) IS NULL OR path = :path)
    ORDER BY lower, path
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


@dataclass(frozen=True, slots=True)
class Archive:
    """One file that an archive run finished: the events of [lower, upper) that left, when, and what
    the file must hold.
    """

    path: str
    lower: datetime
    upper: datetime
    archived_at: datetime
    bytes: int
    contents: Contents

    def is_there(self) -> bool:
        """Whether its file still lies in the archive. Raises StorageUnavailable."""
        return places.archive().exists(self.path)


def archives() -> list[Archive]:
    """Every archive file that the database knows, oldest events first, whether or not it still lies
    in its place.
    """
    with session() as tx:
        return [_archive(row) for row in tx.execute(NOTED, {"path": None})]


def named(path: str) -> Archive:
    """The archive file of this name, or of the path to it where the archive is a folder. Raises
    LookupError for one that no archive run finished."""
    storage = places.archive()
    name = path
    if isinstance(storage, Folder):
        folder = storage.root.resolve()
        full = (folder / path).resolve()
        name = str(full.relative_to(folder)) if full.is_relative_to(folder) else str(full)
    with session() as tx:
        noted = tx.execute(NOTED, {"path": name}).one_or_none()
    if noted is None:
        raise LookupError(
            f"no archive is named {name!r}; see `forecourt analytics archive list` for those in {storage.where}"
        )
    return _archive(noted)


def verify(archive: Archive) -> Contents:
    """Read the file whole and compare. Raises ArchiveError, or an ArrowException or OSError, when
    it is not what was archived, and NotStoredError when it is gone."""
    with _verified(archive):
        return archive.contents


def restore(path: str) -> dict[str, int]:
    """Load one archive file and return how many events it holds and how many were not restored
    before.

    `path` is its name, or leads to it. Raises LookupError for a file that no archive run finished,
    NotStoredError for one that is gone, and ArchiveError, or an ArrowException or OSError, for one
    that changed since.
    """
    archive = named(path)
    with _verified(archive) as file, session() as tx:
        tx.execute(RECEIVE)
        with in_transaction_of(tx).cursor() as cursor, cursor.copy("COPY received FROM STDIN (FORMAT csv)") as rows:
            for block in event_files.lines(file):
                rows.write(block)
        return {"events": archive.contents.rows, "restored": tx.scalars(ADD).one()}


@contextmanager
def _verified(archive: Archive) -> Iterator[Path]:
    """The archive's file, as it was when it was archived."""
    storage = places.archive()
    with storage.local(archive.path) as path:
        found = event_files.read(path)
        if found != archive.contents:
            raise ArchiveError(
                f"{archive.path} in {storage.where} held {archive.contents} when it was archived and holds {found} now"
            )
        yield path


def _archive(row: Row[Any]) -> Archive:
    contents = Contents(row.rows, row.min_id, row.max_id, int(row.sum_id), row.digest)
    return Archive(row.path, row.lower, row.upper, row.dropped_at, row.bytes, contents)
