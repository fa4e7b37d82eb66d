"""What the next sitemap would say, and the published one does not."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO
from xml.parsers import expat

from forecourt.marketplace.sitemap_check import NAMESPACE, PIECE, Open, unpacked


@dataclass(frozen=True, slots=True)
class Difference:
    """Addresses, in order; of changed ones the lastmod before and now."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[tuple[str, str, str], ...]


def difference(old: dict[str, str], new: dict[str, str]) -> Difference:
    """Between two sitemaps, each as `entries` gives it."""
    return Difference(
        tuple(sorted(new.keys() - old.keys())),
        tuple(sorted(old.keys() - new.keys())),
        tuple((loc, old[loc], new[loc]) for loc in sorted(old.keys() & new.keys()) if old[loc] != new[loc]),
    )


def entries(name: str, open_file: Open, resolve: Callable[[str], str]) -> dict[str, str]:
    """Each address of a sitemap, and of the files of an index, with its lastmod, empty where there
    is none. Raises OSError, and ValueError for what is no XML."""
    found: dict[str, str] = {}
    files: list[str] = []
    for kind, loc, lastmod in _read(name, open_file):
        if kind == "sitemap":
            files.append(loc)
        else:
            found[loc] = lastmod
    for file in files:
        found |= {loc: lastmod for kind, loc, lastmod in _read(resolve(file), open_file) if kind == "url"}
    return found


def _read(name: str, open_file: Open) -> Iterator[tuple[str, str, str]]:
    reader = _Entries()
    with open_file(name) as raw, unpacked(raw) as file:
        try:
            while piece := file.read(PIECE):
                reader.parser.Parse(piece, False)
                yield from reader.take()
            reader.parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise ValueError(f"{name} is no XML to be read: {error}") from None
    yield from reader.take()


class _Entries:
    """The entries of one file, as they come by."""

    def __init__(self) -> None:
        self._done: list[tuple[str, str, str]] = []
        self._entry = {"loc": "", "lastmod": ""}
        self._path: list[str] = []
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters

    def take(self) -> list[tuple[str, str, str]]:
        done, self._done = self._done, []
        return done

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        self._path.append(name.removeprefix(f"{NAMESPACE} "))
        if len(self._path) == 2:
            self._entry = {"loc": "", "lastmod": ""}

    def _characters(self, text: str) -> None:
        if len(self._path) == 3 and self._path[2] in self._entry:
            self._entry[self._path[2]] += text

    def _end(self, _name: str) -> None:
        if len(self._path) == 2 and self._entry["loc"]:
            self._done.append((self._path[1], self._entry["loc"].strip(), self._entry["lastmod"].strip()))
        self._path.pop()


def in_memory(files: dict[str, bytes]) -> tuple[Open, Callable[[str], str]]:
    """How to open and find files that are here already, by the last part of their names."""
    from io import BytesIO

    def open_one(name: str) -> BinaryIO:
        if name not in files:
            raise FileNotFoundError(f"there is no {name}")
        return BytesIO(files[name])

    return open_one, lambda address: address.rpartition("/")[2]
