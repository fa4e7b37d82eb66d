"""Where the night's work lies, and whether the files are what the database says of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session

from forecourt.settings import settings

SITEMAP = text(
    """
    SELECT urls, files, bytes
    FROM sitemap_runs
    WHERE published_at >= :began
    ORDER BY id DESC
    LIMIT 1
    """
)
ARCHIVES = text(
    """
    SELECT coalesce(array_agg(path ORDER BY path), '{}') AS paths,
           coalesce(sum(rows), 0)::bigint AS events,
           coalesce(sum(bytes), 0)::bigint AS bytes
    FROM analytics_archives
    WHERE dropped_at >= :began
    """
)
PHOTOS = text(
    """
    SELECT jsonb_array_length(photos) AS photos, photo_keys(photos) AS keys
    FROM car_listings
    WHERE id = ANY(:listings)
    """
)
MAILS = text(
    """
    SELECT count(*) AS notices,
           coalesce(array_agg(DISTINCT message_id) FILTER (WHERE mail_status IN ('sent', 'filed')), '{}') AS sent,
           count(*) FILTER (WHERE kind = 'sponsorship_ending') AS reminders,
           count(*) FILTER (WHERE kind = 'digest') AS digests,
           count(*) FILTER (WHERE mail_status = 'suppressed') AS suppressed,
           count(*) FILTER (WHERE mail_status NOT IN ('sent', 'filed', 'suppressed')) AS unsent
    FROM notifications
    WHERE created_at >= :began
    """
)


@dataclass(frozen=True, slots=True)
class Place:
    """Something the night made, in numbers, and the folder or file it lies in. `off`: what is wrong
    with it, if anything.
    """

    what: str
    figures: str
    path: Path
    off: str | None


def places(tx: Session, began: datetime, photographed: Sequence[int]) -> tuple[Place, ...]:
    """The sitemap, archive and mails made since `began`, and the photos of the listings
    `photographed`.
    """
    return _sitemap(tx, began), _archive(tx, began), _photos(tx, photographed), _mails(tx, began)


def _sitemap(tx: Session, began: datetime) -> Place:
    folder = settings().public
    run = tx.execute(SITEMAP, {"began": began}).one_or_none()
    if run is None:
        return Place("sitemap", "not published", folder, "no sitemap was published")
    found = sum(file.read_bytes().count(b"<url>") for file in folder.glob("sitemap*.xml"))
    figures = f"{run.urls:,} addresses in {counted(run.files, 'file')}, {size(run.bytes)}"
    off = None if found == run.urls else f"the sitemap holds {found:,} addresses, expected {run.urls:,}"
    return Place("sitemap", figures, folder / "sitemap.xml", off)


def _archive(tx: Session, began: datetime) -> Place:
    folder = settings().archive
    made = tx.execute(ARCHIVES, {"began": began}).one()
    figures = f"{made.events:,} events in {counted(len(made.paths), 'file')}, {size(made.bytes)}"
    return Place("archive", figures, folder, _missing(folder, made.paths))


def _photos(tx: Session, photographed: Sequence[int]) -> Place:
    folder = settings().storage
    rows = tx.execute(PHOTOS, {"listings": list(photographed)}).all()
    keys = sorted({key for row in rows for key in row.keys})
    photos = sum(row.photos for row in rows)
    figures = f"{counted(photos, 'photo')} on {counted(len(rows), 'listing')}, {counted(len(keys), 'file')}"
    return Place("photos", figures, folder / "photos", _missing(folder, keys))


def _mails(tx: Session, began: datetime) -> Place:
    folder = settings().outbox
    mails = tx.execute(MAILS, {"began": began}).one()
    names = [f"{message_id.strip('<>').partition('@')[0]}.eml" for message_id in mails.sent]
    notices = f"{counted(mails.notices - mails.digests, 'notice')}, {mails.reminders} of them reminders"
    figures = f"{notices}; {counted(len(names), 'mail')}, {mails.digests} of them digests; {mails.suppressed} for the app alone"
    unsent = f"{counted(mails.unsent, 'mail')} not sent" if mails.unsent else None
    return Place("mails", figures, folder, unsent or _missing(folder, names))


def _missing(folder: Path, names: Sequence[str]) -> str | None:
    missing = [name for name in names if not (folder / name).is_file()]
    return f"{counted(len(missing), 'file')} missing in {folder}, such as {missing[0]}" if missing else None


def counted(number: int, noun: str) -> str:
    """A number with its noun: "1 file", "1,200 files"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def size(number: int) -> str:
    """Bytes in the unit that suits them."""
    if number < 10_000:
        return f"{number:,} B"
    return f"{number / 1e3:,.0f} kB" if number < 10_000_000 else f"{number / 1e6:,.1f} MB"
