"""Whether a sitemap keeps the protocol, read as a crawler reads it: one that came from anywhere, of
any size.

Nothing is held in memory but what is wrong, and of that the first findings of each file.
"""

import gzip
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from io import BytesIO
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit
from xml.parsers import expat

from forecourt.marketplace.sitemap_extensions import IMAGE, IMAGE_LOC, LINK, Extensions, image_loc
from forecourt.marketplace.urlset import MAX_BYTES, MAX_LOC, MAX_URLS

NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
ORDER = {"url": ("loc", "lastmod", "changefreq", "priority"), "sitemap": ("loc", "lastmod")}
FREQUENCIES = {"always", "hourly", "daily", "weekly", "monthly", "yearly", "never"}
MOST_FINDINGS = 20
"""Of one file; a mistake in a template is in each of its 50,000 entries."""

PIECE = 2**20
_PRIORITY = re.compile(r"[01](\.\d+)?")
_SECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")

Open = Callable[[str], BinaryIO]
"""Opens a file by its path or address. Raises OSError."""


@dataclass(slots=True)
class Checked:
    """One file: how many entries it has, what is wrong with it, and, of an index, where its files
    are.
    """

    name: str
    urls: int = 0
    findings: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    host: str = ""

    def wrong(self, line: int, words: str) -> None:
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(f"line {line}: {words}")
        elif len(self.findings) == MOST_FINDINGS:
            self.findings.append("and more")


def check(name: str, open_file: Open, resolve: Callable[[str], str]) -> Iterator[Checked]:
    """Check a sitemap, and each file that it names if it is an index. `resolve` says where the file
    of an address is. A file that cannot be opened or read is a finding, never an error."""
    first = _checked(name, open_file)
    yield first
    for address in first.files:
        other = _checked(resolve(address), open_file)
        if other.files:
            other.wrong(1, "an index inside an index")
        if other.host and first.host and other.host != first.host:
            other.wrong(1, f"its addresses are on {other.host}, the index is on {first.host}")
        yield other


def _checked(name: str, open_file: Open) -> Checked:
    found = Checked(name)
    try:
        with open_file(name) as raw, unpacked(raw) as file:
            _Reader(found).read(file)
    except (OSError, EOFError, zlib.error) as error:
        found.wrong(1, f"it cannot be read: {error}")
    return found


def unpacked(raw: BinaryIO) -> BinaryIO:
    """What is in a file, packed by gzip or not."""
    head = raw.read(2)
    whole = _Prefixed(head, raw)
    return gzip.GzipFile(fileobj=whole) if head == b"\x1f\x8b" else whole  # type: ignore[return-value]


class _Prefixed(BytesIO):
    """A stream whose first bytes were read already."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        super().__init__()
        self._head, self._rest = head, rest

    def read(self, size: int | None = -1, /) -> bytes:
        taken, self._head = self._head, b""
        return taken + self._rest.read(-1 if size is None or size < 0 else max(0, size - len(taken)))


class _Reader:
    """Follows the elements of one file."""

    def __init__(self, found: Checked) -> None:
        self.found = found
        self.path: list[str] = []
        self.root = ""
        self.text = ""
        self.children: list[str] = []
        self.extensions = Extensions()
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.StartDoctypeDeclHandler = self._doctype

    def read(self, file: BinaryIO) -> None:
        size = 0
        try:
            while piece := file.read(PIECE):
                size += len(piece)
                if size > MAX_BYTES:
                    self._wrong(f"more than {MAX_BYTES} bytes, unpacked")
                    return
                self.parser.Parse(piece, False)
            self.parser.Parse(b"", True)
        except (expat.ExpatError, _Hostile) as error:
            self._wrong(f"it is no XML to be read: {error}")
            return
        if self.root and not self.found.urls:
            self._wrong(f"an empty <{self.root}>: the protocol wants at least one entry")

    def _wrong(self, words: str | None) -> None:
        if words is not None:
            self.found.wrong(self.parser.CurrentLineNumber, words)

    def _doctype(self, *_: object) -> None:
        raise _Hostile("a document type, with which entities may grow without end")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, local = name.rpartition(" ")
        ours = namespace == NAMESPACE
        self.path.append(local if ours else "")
        self.text = ""
        match len(self.path):
            case 1:
                self.root = local
                if not ours or local not in ("urlset", "sitemapindex"):
                    self._wrong(
                        f"the root is <{local}> in {namespace or 'no namespace'}, not <urlset> or <sitemapindex>"
                    )
            case 2:
                self.children = []
                self.extensions.begin()
                if local != {"urlset": "url", "sitemapindex": "sitemap"}.get(self.root, local) or not ours:
                    self._wrong(f"<{local}> in <{self.root}>")
            case 3:
                self._child(local if ours else "")
                if name == LINK:
                    self._wrong(self.extensions.link(attributes))
                elif name == IMAGE:
                    self._wrong(self.extensions.image())

    def _child(self, local: str) -> None:
        entry = self.path[1]
        known = ORDER.get(entry, ())
        if local and local not in known:
            self._wrong(f"<{local}> in <{entry}>")
        elif local and local in self.children:
            self._wrong(f"a second <{local}> in one <{entry}>")
        elif local and any(other == "" or known.index(other) > known.index(local) for other in self.children):
            self._wrong(f"<{local}> is out of order: {', '.join(known)}, then extensions")
        if local == "" or local in known:
            self.children.append(local)

    def _characters(self, text: str) -> None:
        if len(self.path) in (3, 4) and len(self.text) <= MAX_LOC + 100:
            self.text += text

    def _end(self, name: str) -> None:
        if name == IMAGE_LOC:
            self._wrong(image_loc(self.text.strip()))
        elif len(self.path) == 3:
            self._value(self.path[2], self.text.strip())
        elif len(self.path) == 2:
            self.found.urls += 1
            if "loc" not in self.children:
                self._wrong(f"<{self.path[1]}> without <loc>")
            if self.found.urls == MAX_URLS + 1:
                self._wrong(f"more than {MAX_URLS} entries")
            for words in self.extensions.end():
                self._wrong(words)
        self.path.pop()

    def _value(self, name: str, value: str) -> None:
        match name:
            case "loc":
                self.extensions.loc = value
                self._address(value)
            case "lastmod" if not _is_moment(value):
                self._wrong(f"lastmod {value!r} is no date such as 2026-11-23 or 2026-11-23T10:00:00Z")
            case "changefreq" if value not in FREQUENCIES:
                self._wrong(f"changefreq {value!r} is not one of {', '.join(sorted(FREQUENCIES))}")
            case "priority" if not _PRIORITY.fullmatch(value) or float(value) > 1:
                self._wrong(f"priority {value!r} is no number from 0.0 to 1.0")

    def _address(self, value: str) -> None:
        try:
            parts = urlsplit(value)
            host = parts.netloc if parts.scheme in ("http", "https") and parts.hostname else ""
        except ValueError:
            host = ""
        if not host:
            self._wrong(f"{value[:80]!r} is no absolute address")
        elif not value.isascii() or not value.isprintable() or " " in value:
            self._wrong(f"{value[:80]!r} has characters that an address must percent-encode")
        elif not 12 <= len(value) <= MAX_LOC:
            self._wrong(f"an address of {len(value)} characters; 12 to {MAX_LOC} are allowed")
        elif self.found.host and host != self.found.host:
            self._wrong(f"{value[:80]!r} is on another host than the others, {self.found.host}")
        self.found.host = self.found.host or host
        if self.root == "sitemapindex" and host:
            self.found.files.append(value)


class _Hostile(Exception):
    """What a sitemap has no use for."""


def _is_moment(value: str) -> bool:
    try:
        if "T" in value:
            return bool(_SECONDS.fullmatch(value)) and datetime.fromisoformat(value) is not None
        return bool(re.fullmatch(r"\d{4}-\d\d-\d\d", value)) and date.fromisoformat(value) is not None
    except ValueError:
        return False


def beside(folder: Path) -> Callable[[str], str]:
    """For files of an index that lie in one folder, whatever host their addresses name."""
    return lambda address: str(folder / Path(urlsplit(address).path).name)
