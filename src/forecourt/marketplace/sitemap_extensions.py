"""What search engines ask of the two extensions of a sitemap's entry: versions in other languages,
and images.

Written from Google's published rules; its own schemas say less.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

LINK = "http://www.w3.org/1999/xhtml link"
IMAGE = "http://www.google.com/schemas/sitemap-image/1.1 image"
IMAGE_LOC = "http://www.google.com/schemas/sitemap-image/1.1 loc"
MAX_IMAGES = 1_000
_LANGUAGE = re.compile(r"x-default|[a-z]{2,3}(-[a-z]{4})?(-[a-z]{2})?", re.IGNORECASE)


@dataclass(slots=True)
class Extensions:
    """Those of the entry at hand, and which versions the entries before it named. Of those it keeps
    two numbers each.
    """

    loc: str = ""
    _versions: dict[str, str] = field(default_factory=dict)
    _images: int = 0
    _named: dict[int, int] = field(default_factory=dict)

    def begin(self) -> None:
        """A new entry."""
        self.loc, self._versions, self._images = "", {}, 0

    def link(self, attributes: dict[str, str]) -> str | None:
        """Take a link; what is wrong with it."""
        if attributes.get("rel") != "alternate" or "hreflang" not in attributes:
            return "a link that is no rel='alternate' with hreflang"
        language, address = attributes["hreflang"].lower(), attributes.get("href", "")
        if not _LANGUAGE.fullmatch(language):
            return f"hreflang {language!r} is no language such as ar or ar-sy, nor x-default"
        if language in self._versions:
            return f"a second version in {language!r}"
        self._versions[language] = address
        return (
            None if _absolute(address) else f"the version in {language!r} is at no absolute address: {address[:80]!r}"
        )

    def image(self) -> str | None:
        """Take an image; what is wrong with it."""
        self._images += 1
        return f"more than {MAX_IMAGES:,} images of one page" if self._images == MAX_IMAGES + 1 else None

    def end(self) -> Iterator[str]:
        """What is wrong with the entry's versions: each must name all of them, itself as well, or
        search engines believe none.
        """
        named = frozenset(self._versions.values())
        if named and self.loc not in named:
            yield f"{self.loc[:80]!r} names versions in other languages, and itself not among them"
        for page in sorted(named | {self.loc}):
            if self._named.setdefault(hash(page), hash(named)) != hash(named):
                yield f"{self.loc[:80]!r} and an entry before it do not name the same versions of {page[:80]!r}"


def image_loc(value: str) -> str | None:
    """What is wrong with an image's address."""
    return None if _absolute(value) else f"{value[:80]!r} is no absolute address of an image"


def _absolute(address: str) -> bool:
    try:
        return urlsplit(address).scheme in ("http", "https") and bool(urlsplit(address).netloc)
    except ValueError:
        return False
