"""The sitemap protocol 0.9 as files: a urlset with its two limits, and an index of urlsets.

A file is written beside its place and takes it when it is whole, unless the same bytes lie there
already: then the published one stays as it is, with its time.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from gzip import GzipFile
from html import escape
from itertools import zip_longest
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeAlias, cast
from uuid import uuid4

from forecourt.marketplace.durable import publish

MAX_URLS = 50_000
MAX_BYTES = 52_428_800
"""Of one file, uncompressed: the limits of sitemaps.org. With long addresses the bytes are used up
first.
"""

ALTERNATE = '<xhtml:link rel="alternate" hreflang="{}" href="{}"/>'
IMAGE = "<image:image><image:loc>{}/{}</image:loc></image:image>"

MAX_LOC = 2_048
"""Characters of one address, as the protocol's schema has it."""

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<{0} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"{1}>\n'
IMAGES = ' xmlns:image="http://www.google.com/schemas/sitemap-image/1.1"'
ALTERNATES = ' xmlns:xhtml="http://www.w3.org/1999/xhtml"'
TAIL = "</{0}>\n"
SHARD = "sitemap-{}-{}.xml.gz"
A_SHARD = re.compile(r"sitemap-(?:pages|listings|providers)-[0-9]+\.xml(?:\.gz)?")
"""The names of shards, those of earlier releases too, which did not pack them."""

PIECE = 2**20


class Block(NamedTuple):
    """Some entries of one section, ready to be written. `lastmod` is the latest of them, empty when
    none has one.
    """

    first_id: int
    urls: int
    text: bytes
    lastmod: str


class Published(NamedTuple):
    """A file that is in its place; `rewritten` when it wasn't there with these bytes before."""

    name: str
    urls: int
    bytes: int
    lastmod: str
    rewritten: bool


Row: TypeAlias = tuple[int, str, str | None, list[str] | None]
"""An entry's id, the end of its address, its lastmod when that is known, and the keys of its
photos; the text needs no escaping.
"""


class Site(NamedTuple):
    """Where pages and photos are, escaped: the address that all begin with; each language and what
    its addresses go on with, none for a site of one language; and where photos are served, if that
    is known."""

    base: str
    languages: tuple[tuple[str, str], ...] = ()
    photos: str | None = None

    @property
    def namespaces(self) -> str:
        """What the root element of a urlset declares."""
        return (IMAGES if self.photos else "") + (ALTERNATES if self.languages else "")

    @property
    def longest(self) -> int:
        """Characters before the path of an address."""
        return len(self.base) + max((len(prefix) for _, prefix in self.languages), default=0)


def blocks(rows: list[Row], site: Site, path: str, changefreq: str, priority: str) -> Iterator[Block]:
    """These entries, in as few blocks as leave room for another in their file. The photos of a page
    that are half a file by themselves stay out.
    """
    whole = _block(rows, site, path, changefreq, priority)
    if whole.urls <= MAX_URLS // 2 and len(whole.text) <= MAX_BYTES // 2:
        yield whole
    elif len(rows) == 1:
        yield _block([(*rows[0][:3], None)], site, path, changefreq, priority)
    else:
        half = len(rows) // 2
        yield from blocks(rows[:half], site, path, changefreq, priority)
        yield from blocks(rows[half:], site, path, changefreq, priority)


def _block(rows: list[Row], site: Site, path: str, changefreq: str, priority: str) -> Block:
    """One entry a row and language, its elements in the order that the schema demands, extensions
    behind them.

    Each version of a page names all of them, itself as well, and the first language is for whoever
    speaks none of them: crawlers ignore alternates that do not name each other.
    """
    tail = f"<changefreq>{changefreq}</changefreq><priority>{priority}</priority>"
    prefixes = [prefix for _, prefix in site.languages] or [""]
    entries = []
    for _, end, lastmod, photos in rows:
        rest = (f"<lastmod>{lastmod}</lastmod>" if lastmod else "") + tail
        if site.languages:
            rest += _alternates(site, path + end)
        if site.photos and photos:
            rest += "".join([IMAGE.format(site.photos, key) for key in photos])
        entries += [f"<url><loc>{site.base}{prefix}{path}{end}</loc>{rest}</url>\n" for prefix in prefixes]
    return Block(rows[0][0], len(entries), "".join(entries).encode(), max(row[2] or "" for row in rows))


def _alternates(site: Site, page: str) -> str:
    named = [*site.languages, ("x-default", site.languages[0][1])]
    return "".join([ALTERNATE.format(code, f"{site.base}{prefix}{page}") for code, prefix in named])


class Urlset:
    """One file of entries, being written."""

    def __init__(self, folder: Path, name: str, namespaces: str = "") -> None:
        self.name = name
        self.urls = 0
        self.lastmod = ""
        self._path = folder / name
        self._temporary = _temporary(self._path)
        self._file = self._temporary.open("wb")
        self._out: BinaryIO = self._file
        if name.endswith(".gz"):  # no name and no time inside: the same entries give the same bytes
            self._out = cast(BinaryIO, GzipFile("", "wb", 6, self._file, mtime=0))
        self._out.write(HEAD.format("urlset", namespaces).encode())
        self._tail = TAIL.format("urlset").encode()

    @property
    def half_full(self) -> bool:
        """Whether half of what a file may hold is used up, of either."""
        return self.urls >= MAX_URLS // 2 or self._out.tell() >= MAX_BYTES // 2

    def add(self, block: Block) -> bool:
        """Add these entries, or none of them and return False when the file would grow past a
        limit.
        """
        if self.urls + block.urls > MAX_URLS or self._out.tell() + len(block.text) + len(self._tail) > MAX_BYTES:
            return False
        self._out.write(block.text)
        self.urls += block.urls
        self.lastmod = max(self.lastmod, block.lastmod)
        return True

    def publish(self) -> Published:
        """Close the file and put it into its place."""
        self._out.write(self._tail)
        self._close()
        size = self._temporary.stat().st_size
        return Published(self.name, self.urls, size, self.lastmod, _put(self._temporary, self._path))

    def discard(self) -> None:
        """Close the file and forget it."""
        self._close()
        self._temporary.unlink()

    def _close(self) -> None:
        self._out.close()
        self._file.close()


def publish_index(folder: Path, name: str, base_url: str, files: Iterable[Published]) -> Published:
    """Publish an index of urlsets that are in their places. Its lastmod of each is the latest
    inside, not today.
    """
    entries = [
        f"<sitemap><loc>{escape(base_url)}/{file.name}</loc>"
        + (f"<lastmod>{file.lastmod}</lastmod>" if file.lastmod else "")
        + "</sitemap>\n"
        for file in files
    ]
    path = folder / name
    text = (HEAD.format("sitemapindex", "") + "".join(entries) + TAIL.format("sitemapindex")).encode()
    temporary = _temporary(path)
    temporary.write_bytes(text)
    return Published(name, 0, len(text), "", _put(temporary, path))


def remove_others(folder: Path, keep: Collection[str]) -> None:
    """Remove the shards that are not in `keep`, and what a killed run left half-written. Files of
    others stay.
    """
    for path in [*folder.glob(".sitemap*.writing"), *folder.glob("sitemap-*")]:
        if path.name.endswith(".writing") or (A_SHARD.fullmatch(path.name) and path.name not in keep):
            path.unlink(missing_ok=True)


def _put(temporary: Path, path: Path) -> bool:
    if _same(temporary, path):
        temporary.unlink()
        return False
    publish(temporary, path)
    return True


def _same(new: Path, old: Path) -> bool:
    if not old.is_file() or new.stat().st_size != old.stat().st_size:
        return False
    with new.open("rb") as a, old.open("rb") as b:
        pieces = zip_longest(iter(lambda: a.read(PIECE), b""), iter(lambda: b.read(PIECE), b""))
        return all(x == y for x, y in pieces)


def _temporary(path: Path) -> Path:
    # Of this run alone: one that has lost its lock with its connection may still be at work.
    return path.with_name(f".{path.name}.{uuid4().hex}.writing")
