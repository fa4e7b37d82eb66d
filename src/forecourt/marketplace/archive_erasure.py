"""Cuts the events of some listings out of the archive's files.

A file is never changed. Its successor is written without those events, read back and compared; then
one transaction makes the successor the one that counts and its predecessor one that nobody
finished, which is removed like what a killed run left.
"""

from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.orm import Session

from forecourt.database import session
from forecourt.marketplace import places
from forecourt.marketplace.analytics import LOCK
from forecourt.marketplace.archive import BEGIN, FINISH, PATIENCE, ArchiveError, remove_unfinished
from forecourt.marketplace.restore import Archive, archives
from forecourt.marketplace.storage import NotStoredError

RETIRE = text("UPDATE analytics_archives SET dropped_at = NULL WHERE path = :path")


@dataclass(slots=True)
class Cut:
    """How many events of how many files, and the files that could not be read, with the reason."""

    events: int = 0
    files: int = 0
    unreadable: list[str] = field(default_factory=list)


def in_archives(listings: Collection[int]) -> Cut:
    """How many events of these listings the archive holds."""
    return _each(_counted, listings)


def cut_from_archives(tx: Session, listings: Collection[int]) -> Cut:
    """Take the events of these listings out of all files, each whole or not at all. Killed on the
    way, it may be asked again.

    Until the caller's transaction ends nothing is archived or cut by others: neither a file that
    was replaced meanwhile nor one that is new could be missed.
    """
    tx.execute(LOCK)
    tx.execute(PATIENCE)
    return _each(_replaced, listings)


def _each(work: Callable[[Archive, set[int]], int], listings: Collection[int]) -> Cut:
    found = Cut()
    for archive in archives() if listings else []:
        try:
            count = work(archive, set(listings))
        # Damaged or missing; pyarrow's errors are among these.
        except (OSError, ValueError, NotStoredError, ArchiveError) as error:
            found.unreadable.append(f"{archive.path}: {error}")
            continue
        found.events += count
        found.files += count > 0
    return found


def _counted(archive: Archive, listings: set[int]) -> int:
    from forecourt.marketplace import event_files

    with places.archive().local(archive.path) as path:
        return event_files.count(path, listings)


def _replaced(archive: Archive, listings: set[int]) -> int:
    """Put a file without these events in the place of this one, if it has any, and return how
    many. The caller holds LOCK.
    """
    from forecourt.marketplace import event_files

    count = _counted(archive, listings)
    if not count:
        return 0
    storage = places.archive()
    name = f"{archive.path.removesuffix('.parquet').rpartition('-')[0]}-{uuid4().hex[:12]}.parquet"
    with session() as tx:
        with session() as other:  # committed first: a file without a row would never be found again
            successor = other.scalars(BEGIN, {"path": name, "lower": archive.lower, "upper": archive.upper}).one()
        with storage.local(archive.path) as source, storage.draft(name) as target:
            expected = event_files.copy_without(source, target, listings)
        with storage.local(name) as path:
            written = event_files.read(path)
            size = path.stat().st_size
        if written != expected or written.rows + count != archive.contents.rows:
            raise ArchiveError(f"{name} in {storage.where} does not read back as it was written; {archive.path} stays")
        tx.execute(FINISH, {"id": successor, "bytes": size, **asdict(written)})
        tx.execute(RETIRE, {"path": archive.path})
    with session() as tx:
        remove_unfinished(tx)
    return count
