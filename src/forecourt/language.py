"""The language that somebody is answered in. Every word that a page shows is English where it is
used, and looked up here.

Translations are gettext catalogues, `languages/*.po`; English is what stands in the code. Outside a
request of somebody who reads another language, in commands, logs and answers to programs,
everything stays English.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from gettext import NullTranslations
from pathlib import Path
from typing import Literal

from forecourt.catalogue import read

LANGUAGES = {"en": "English", "ar": "العربية"}
"""What can be chosen, each in its own name."""

FOLDER = Path(__file__).parent / "languages"

_current: ContextVar[str] = ContextVar("language", default="en")


def language() -> str:
    """The code of the language: "en", "ar"."""
    return _current.get()


def direction() -> Literal["ltr", "rtl"]:
    """How it is written: the value of HTML's `dir`."""
    return "rtl" if language() == "ar" else "ltr"


@contextmanager
def speaking(code: str) -> Iterator[None]:
    """Answer in this language within the block. Raises KeyError for one that is not among
    LANGUAGES.
    """
    before = _current.set(code if code in LANGUAGES else LANGUAGES[code])
    try:
        yield
    finally:
        _current.reset(before)


def gettext(message: str, **facts: object) -> str:
    """The message in the reader's language, with its `%(name)s` filled in. A per cent sign is
    written `%%`.
    """
    if direction() == "rtl":
        facts = {name: isolated(fact) for name, fact in facts.items()}
    return lookup(message) % facts


def isolated(fact: object) -> object:
    """What is filled into a message: where the language runs from right to left, text is fenced off
    to keep its own direction.
    """
    return fact if isinstance(fact, int | float) or direction() == "ltr" else f"\u2068{fact}\u2069"


def some(count: int, one: str, many: str, cap: int | None = None) -> str:
    """A count with its noun: "1 call", "3 calls", "100,000+ calls" beyond `cap`; in other languages
    by their grammar.
    """
    number = f"{cap:,}+" if cap is not None and count > cap else f"{count:,}"
    words = lookup_plural(one, many, count)
    return words.replace("{}", number) if language() != "en" else f"{number} {words}"


def marked(message: str) -> str:
    """The message itself: it is looked up elsewhere, and must be in every catalogue."""
    return message


def listed(parts: Iterable[str]) -> str:
    """One after the other, with the language's comma."""
    return comma().join(parts)


def comma() -> str:
    """What stands between two things."""
    return "، " if language() == "ar" else ", "


def lookup(message: str) -> str:
    """The message in the reader's language, as it stands in the catalogue."""
    return translations(language()).gettext(message) if message else ""


def lookup_plural(one: str, many: str, count: int) -> str:
    """The form of a noun that the reader's language wants for this count. Catalogues have these
    under the context `count`.
    """
    return translations(language()).npgettext("count", one, many, count)


@lru_cache(maxsize=len(LANGUAGES))
def translations(code: str) -> NullTranslations:
    """The catalogue of a language; an empty one for English."""
    if code == "en":
        return NullTranslations()
    return read(FOLDER / f"{code}.po")
