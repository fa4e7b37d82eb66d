"""Where the night's work lies, and whether the files are what the database says of them."""

from collections.abc import Iterator, Sequence
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
    SELECT coalesce(sum(jsonb_array_length(photos)), 0)::bigint AS photos,
           coalesce(array_agg(key) FILTER (WHERE key IS NOT NULL), '{}') AS keys
    FROM car_listings
    LEFT JOIN LATERAL unnest(photo_keys(photos)) AS key ON true
    WHERE car_listings.id = ANY(:listings)
    """
)
MAILS = text(
    """
    SELECT count(*) AS notices,
           coalesce(array_agg(message_id) FILTER (WHERE mail_status = 'sent'), '{}') AS sent,
           count(*) FILTER (WHERE mail_status = 'suppressed') AS suppressed,
           count(*) FILTER (WHERE mail_status NOT IN ('sent', 'suppressed')) AS unsent
    FROM notifications
    WHERE created_at >= :began
    """
)


@dataclass(frozen=True, slots=True)
class Place:
    """Something the night made, in numbers, and the folder or file it lies in. `off`: what is wrong with it, if anything."""

    what: str
    figures: str
    path: Path
    off: str | None


def places(tx: Session, began: datetime, photographed: Sequence[int]) -> Iterator[Place]:
    """Sitemap, archive, photos and mails made since `began`."""
    yield _sitemap(tx, began)
    yield _archive(tx, began)
    yield _photos(tx, photographed)
    yield _mails(tx, began)


def _sitemap(tx: Session, began: datetime) -> Place:
    path = settings().public / "sitemap.xml"
    run = tx.execute(SITEMAP, {"began": began}).one_or_none()
    if run is None:
        return Place("sitemap", "not published", path, "no sitemap was published")
    found = sum(file.read_bytes().count(b"<url>") for file in settings().public.glob("sitemap*.xml"))
    off = None if found == run.urls else f"the sitemap's files hold {found:,} addresses, expected {run.urls:,}"
    return Place("sitemap", f"{run.urls:,} addresses in {_counted(run.files, 'file')}, {_size(run.bytes)}", path, off)


def _archive(tx: Session, began: datetime) -> Place:
    done = tx.execute(ARCHIVES, {"began": began}).one()
    missing = [path for path in done.paths if not (settings().archive / path).is_file()]
    return Place(
        "archive",
        f"{done.events:,} events in {_counted(len(done.paths), 'file')}, {_size(done.bytes)}",
        settings().archive,
        f"{_counted(len(missing), 'archive file')} missing, such as {missing[0]}" if missing else None,
    )


def _photos(tx: Session, listings: Sequence[int]) -> Place:
    photos = sum(tx.scalars(PHOTO_COUNTS, {"listings": list(listings)}))
    return photos


def _mails(tx: Session, began: datetime) -> Place:
    mails = tx.execute(MAILS, {"began": began}).one()
    return mails
