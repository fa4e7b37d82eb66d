"""The sitemap protocol 0.9 as files: a urlset with its two limits, and an index of urlsets.

A file is written beside its place and takes it when it is whole, unless the same bytes lie there already: then the
published one stays as it is, with its time.
"""

from collections.abc import Iterable
from html import escape
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple, TypeAlias

from forecourt.marketplace.durable import publish

MAX_URLS = 50_000
MAX_BYTES = 52_428_800
"""Of one file, uncompressed: the limits of sitemaps.org. With long addresses the bytes are used up first."""

MAX_LOC = 2_048
"""Characters of one address, as the protocol's schema has it."""

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<{0} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
TAIL = "</{0}>\n"
SHARD = "sitemap-{}-{}.xml"
PIECE = 2**20


class Block(NamedTuple):
    """Some entries of one section, ready to be written. `lastmod` is the latest of them, empty when none has one."""

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


Row: TypeAlias = tuple[int, str, str | None]
"""An entry's id, the end of its address, and its lastmod when that is known; the text needs no escaping."""


def block(rows: list[Row], base: str, changefreq: str, priority: str) -> Block:
    """One entry a row, its address `base` and the row's end, its elements in the order that the schema demands."""
    tail = f"<changefreq>{changefreq}</changefreq><priority>{priority}</priority></url>\n"
    entries = [
        f"<url><loc>{base}{end}</loc>{f'<lastmod>{lastmod}</lastmod>' if lastmod else ''}{tail}"
        for _, end, lastmod in rows
    ]
    return Block(rows[0][0], len(rows), "".join(entries).encode(), max(lastmod or "" for _, _, lastmod in rows))


class Urlset:
    """One file of entries, being written."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.urls = 0
        self.lastmod = ""
        self._path = folder / name
        self._out = _temporary(self._path).open("wb")
        self._out.write(HEAD.format("urlset").encode())
        self._tail = TAIL.format("urlset").encode()

    def add(self, block: Block) -> bool:
        """Add these entries, or none of them and return False when the file would grow past a limit."""
        if self.urls + block.urls > MAX_URLS or self._out.tell() + len(block.text) + len(self._tail) > MAX_BYTES:
            return False
        self._out.write(block.text)
        self.urls += block.urls
        self.lastmod = max(self.lastmod, block.lastmod)
        return True

    def publish(self) -> Published:
        """Close the file and put it into its place."""
        self._out.write(self._tail)
        size = self._out.tell()
        self._out.close()
        return Published(self.name, self.urls, size, self.lastmod, _put(self._path))

    def discard(self) -> None:
        """Close the file and forget it."""
        self._out.close()
        _temporary(self._path).unlink()


def publish_index(folder: Path, name: str, base_url: str, files: Iterable[Published]) -> Published:
    """Publish an index of urlsets that are in their places. Its lastmod of each is the latest inside, not today."""
    entries = [
        f"<sitemap><loc>{escape(base_url)}/{file.name}</loc>"
        + (f"<lastmod>{file.lastmod}</lastmod>" if file.lastmod else "")
        + "</sitemap>\n"
        for file in files
    ]
    path = folder / name
    text = (HEAD.format("sitemapindex") + "".join(entries) + TAIL.format("sitemapindex")).encode()
    _temporary(path).write_bytes(text)
    return Published(name, 0, len(text), "", _put(path))


def remove_others(folder: Path, sections: Iterable[str], keep: Iterable[str]) -> None:
    """Remove the shards of these sections that are not in `keep`, and what a killed run left half-written."""
    kept = set(keep)
    for pattern in [".sitemap*.writing", *(SHARD.format(section, "[0-9]*") for section in sections)]:
        for path in folder.glob(pattern):
            if path.name not in kept:
                path.unlink(missing_ok=True)


def _put(path: Path) -> bool:
    temporary = _temporary(path)
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
    return path.with_name(f".{path.name}.writing")
