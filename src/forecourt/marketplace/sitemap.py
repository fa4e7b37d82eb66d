"""Publishes the sitemap: static pages, available listings, active verified providers.

`sitemap.xml` is one urlset while everything fits into it, and an index of urlsets beyond. Shards
are in their places before the index names them, and go after it no longer does, so a crawler never
meets a name without a file.
"""

import logging
import re
from collections.abc import Generator, Iterator
from contextlib import closing
from html import escape
from itertools import groupby, pairwise
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from psycopg.sql import SQL
from sqlalchemy import Connection, text

from forecourt import job
from forecourt.database import in_transaction_of, session
from forecourt.database.replica import reading
from forecourt.marketplace import places
from forecourt.marketplace.address import NoPublicAddress, public_address
from forecourt.marketplace.business import business
from forecourt.marketplace.durable import make_folder
from forecourt.marketplace.paging import pages
from forecourt.marketplace.scratch import scratch
from forecourt.marketplace.sitemap_bucket import send
from forecourt.marketplace.urlset import (
    MAX_LOC,
    MAX_URLS,
    SHARD,
    Block,
    Published,
    Row,
    Site,
    Urlset,
    blocks,
    publish_index,
    remove_others,
)
from forecourt.settings import settings

PAGE = 2_000
"""Rows fetched at a time."""

CUT = 1_024
"""A shard that is half full ends before the next id that CUT divides. So when a listing goes, its
own shard is written anew and the later ones keep their beginnings, where filling each would shift
every one of them."""

LOCK = text("SELECT pg_try_advisory_xact_lock(hashtext('forecourt.sitemap'))")
LAST = text("SELECT urls FROM sitemap_runs ORDER BY id DESC LIMIT 1")
RECORD = text("INSERT INTO sitemap_runs (urls, files, bytes) VALUES (:urls, :files, :bytes)")
COUNT = text(
    """
    SELECT (SELECT count(*) FROM car_listings WHERE is_available AND NOT is_hidden AND deleted_at IS NULL)
         + (SELECT count(*) FROM car_providers WHERE is_verified AND is_active)
    """
)
LISTINGS = SQL(
    """
    SELECT id,
           slug AS name,
           to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS lastmod,
           CASE WHEN %(photos)s THEN (
               SELECT (array_agg(key))[:1000]  -- of one page, as the extension has it
               FROM jsonb_array_elements(photos) AS photo
               CROSS JOIN LATERAL (
                   SELECT CASE jsonb_typeof(photo) WHEN 'string' THEN photo #>> '{}' ELSE photo ->> 'key' END AS key
               ) AS of_photo
               WHERE key IS NOT NULL
           ) END AS photos
    FROM car_listings
    WHERE is_available
      AND NOT is_hidden
      AND deleted_at IS NULL
    ORDER BY id
    """
)
PROVIDERS = SQL(
    """
    SELECT id,
           id::text AS name,
           to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS lastmod,
           NULL AS photos
    FROM car_providers
    WHERE is_verified
      AND is_active
    ORDER BY id
    """
)
STATIC = (("/", "sitemap_home"), ("/car-marketplace", "sitemap_pages"), ("/rent-car", "sitemap_pages"))
"""Each with the business setting that holds its priority."""

log = logging.getLogger(__name__)
as_it_is = re.compile(r"[A-Za-z0-9._~-]+").fullmatch
keys_as_they_are = re.compile(r"[A-Za-z0-9._~/-]*").fullmatch


class SitemapError(RuntimeError):
    """The sitemap was not published; the message says why, and what to do."""


class SitemapShrankError(SitemapError):
    """Less than half of the addresses of the last run are left."""


class Section(NamedTuple):
    """A kind of page, where its rows come from, and the business setting that holds its
    priority.
    """

    name: str
    rows: SQL
    path: str
    priority: str


SECTIONS = (
    Section("listings", LISTINGS, "/car-listings/", "sitemap_listings"),
    Section("providers", PROVIDERS, "/car-providers/", "sitemap_providers"),
)


@job(queue="low", timeout=3600, fail_on=(SitemapShrankError, NoPublicAddress))
def generate_sitemap(force: bool = False) -> dict[str, int]:
    """Publish the sitemap under `settings().public`, or in the bucket, as the database, or its
    standby, is at one instant.

    The same rows give the same bytes, and a file whose bytes are the same is left alone. Returns
    how many addresses, files and bytes are published and how many files had to be written. Raises
    SitemapError while another run publishes, and SitemapShrankError when more than half of the last
    run's addresses are gone, unless `force`; and NoPublicAddress.
    """
    log.info("Generating sitemap")
    base_url = public_address()
    with session() as primary:
        if not primary.scalars(LOCK).one():
            raise SitemapError("another run is publishing the sitemap; try again when it is done")
        last = primary.scalars(LAST).one_or_none() or 0
        with reading() as seen:
            expected = _addresses(seen.connection)
            if expected * 2 < last and not force:
                raise SitemapShrankError(
                    f"the sitemap would shrink from {last} addresses to {expected}, so the published one stays; "
                    "if that is right, run `forecourt sitemap generate --force`"
                )
            counts = _published(seen.connection, base_url, expected)
        primary.execute(RECORD, counts)
    log.info("Sitemap generated successfully", extra=counts)
    return counts


def draft(folder: Path) -> None:
    """Write into an empty folder what would be published now, and publish nothing."""
    with reading() as seen:
        _publish(seen.connection, folder, public_address(), _addresses(seen.connection))


def _addresses(connection: Connection) -> int:
    """How many there are to publish."""
    found: int = connection.scalars(COUNT).one() + len(STATIC)
    return found * max(1, len(settings().languages))


def _published(connection: Connection, base_url: str, expected: int) -> dict[str, int]:
    """Publish everything where it belongs, a folder or a bucket, and count it."""
    place = places.public()
    if isinstance(place, Path):
        make_folder(place)
        files = _publish(connection, place, base_url, expected)
        rewritten = sum(file.rewritten for file in files)
    else:
        with scratch() as folder:
            files = _publish(connection, folder, base_url, expected)
            rewritten = send(folder, place, files)
    return {
        "urls": sum(file.urls for file in files),
        "files": len(files),
        "bytes": sum(file.bytes for file in files),
        "rewritten": rewritten,
    }


def _publish(connection: Connection, folder: Path, base_url: str, expected: int) -> list[Published]:
    whole = _publish_whole(connection, folder) if expected <= MAX_URLS else None
    if whole is not None:
        files = [whole]
    else:
        shards = list(_publish_shards(connection, folder))
        files = [*shards, publish_index(folder, "sitemap.xml", base_url, shards)]
    remove_others(folder, {file.name for file in files})
    return files


def _publish_whole(connection: Connection, folder: Path) -> Published | None:
    """Everything in one file; None when it does not fit."""
    site = _site()
    whole = Urlset(folder, "sitemap.xml", site.namespaces)
    with closing(_blocks(connection, site)) as found:
        for _, each in found:
            if not whole.add(each):
                whole.discard()
                return None
    return whole.publish()


def _publish_shards(connection: Connection, folder: Path) -> Iterator[Published]:
    site = _site()
    with closing(_blocks(connection, site)) as found:
        for name, of_section in groupby(found, key=itemgetter(0)):
            shard: Urlset | None = None
            number = 0
            for _, each in of_section:
                long_enough = shard is not None and shard.half_full and each.first_id % CUT == 0
                if shard is None or long_enough or not shard.add(each):
                    if shard is not None:
                        yield shard.publish()
                    number += 1
                    shard = Urlset(folder, SHARD.format(name, f"{number:04}"), site.namespaces)
                    shard.add(each)
            if shard is not None:
                yield shard.publish()


def _site() -> Site:
    photos = settings().photos_url
    return Site(escape(settings().base_url), settings().languages, escape(photos) if photos else None)


def _blocks(connection: Connection, site: Site) -> Generator[tuple[str, Block], None, None]:
    """Each section's entries, in the order of their ids; a block begins at each id that CUT
    divides. Close it: until then the connection does nothing else."""
    found = business(connection)
    for path, priority in STATIC:
        yield "pages", next(blocks([(0, path, None, None)], site, "", "daily", str(getattr(found, priority))))
    for section in SECTIONS:
        asked = {"photos": site.photos is not None} if section.name == "listings" else {}
        with closing(pages(in_transaction_of(connection), section.rows, asked, PAGE)) as rows:
            for page in rows:
                for each in _cut(page, section, site, str(getattr(found, section.priority))):
                    yield section.name, each


def _cut(page: list[Row], section: Section, site: Site, priority: str) -> Iterator[Block]:
    keys = "".join([key for row in page if row[3] for key in row[3]])
    plain = as_it_is("".join([row[1] for row in page])) and keys_as_they_are(keys)
    rows = page if plain else [_encoded(row) for row in page]
    cuts = [position for position, row in enumerate(rows) if row[0] % CUT == 0 and position]
    before = site.longest + len(section.path)
    for begin, end in pairwise([0, *cuts, len(rows)]):
        short = [row for row in rows[begin:end] if before + len(row[1]) <= MAX_LOC]
        if len(short) < end - begin:
            log.warning("%d %s stay out: their addresses are too long", end - begin - len(short), section.name)
        if short:
            yield from blocks(short, site, section.path, "weekly", priority)


def _encoded(row: Row) -> Row:
    return row[0], quote(row[1], safe=""), row[2], [quote(key) for key in row[3]] if row[3] else None
