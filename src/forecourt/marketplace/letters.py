"""Puts a notice into words: subject, text and HTML, in the reader's language and time zone.

What people typed (titles, names) is made harmless once, before any template sees it: no control
characters, no line breaks and no directional overrides. Templates still isolate each such value,
because a Latin plate in an Arabic line would otherwise reorder the words around it.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from email.utils import parseaddr
from functools import lru_cache
from pathlib import Path
from traceback import extract_tb
from typing import Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_time, get_timezone_location
from babel.numbers import format_currency, format_decimal, get_currency_name
from jinja2 import (
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PackageLoader,
    PrefixLoader,
    StrictUndefined,
    TemplateError,
    TemplateNotFound,
    TemplateSyntaxError,
    select_autoescape,
)

from forecourt.marketplace.charts import bars
from forecourt.settings import settings

Fact = str | int | Decimal | datetime | date | Sequence[Any]
"""What a notice is about: a text, a count, an amount of money, an aware moment, or a list of
such.
"""

CENTS = "#,##0.00"
LETTERS_AND_NUMBER = re.compile(r"([A-Z]{3})(\d)")

FIRST_STRONG_ISOLATE, POP_ISOLATE = "\u2068", "\u2069"
DIRECTIONAL_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
FALLBACK = "en"


@dataclass(frozen=True, slots=True)
class Reader:
    """Whom a letter is for: templates ask it how to write dates, amounts and counts."""

    name: str
    language: Literal["en", "ar"]
    zone: ZoneInfo

    @classmethod
    def of(cls, name: str | None, locale: str | None, timezone: str | None) -> "Reader":
        """A reader from the columns of a user. An unknown language is English, an unknown zone the
        business zone.
        """
        try:
            zone = ZoneInfo(timezone) if timezone else settings().zone
        except (KeyError, ValueError):
            zone = settings().zone
        arabic = (locale or FALLBACK).lower().replace("_", "-").partition("-")[0] == "ar"
        return cls(name=harmless(name or ""), language="ar" if arabic else "en", zone=zone)

    @property
    def direction(self) -> str:
        """The value of HTML's `dir`."""
        return self.locale.text_direction

    @property
    def start(self) -> str:
        """Where a line begins. Mail clients know left and right, but seldom `text-align: start`."""
        return "right" if self.direction == "rtl" else "left"

    @property
    def locale(self) -> Locale:
        return Locale.parse(self.language)

    def moment(self, at: datetime) -> str:
        """Date, time and whose time it is: November 24, 2026, 12:01 AM (Damascus)."""
        day = format_date(at.astimezone(self.zone), "long", locale=self.locale)
        time = format_time(at, "short", tzinfo=self.zone, locale=self.locale)
        place = get_timezone_location(self.zone, locale=self.locale, return_city=True)
        comma = "،" if self.language == "ar" else ","
        return f"{day}{comma} {time} ({place})"

    def amount(self, value: Decimal, currency: str) -> str:
        """An amount of money with its cents, whatever the currency's habit: a balance is told
        exactly.

        In Arabic the currency is a word: a sign made of Latin letters would change places with its
        number. In English one made of letters keeps its distance: SYP 49.99.
        """
        if self.language == "ar":
            return f"{format_decimal(value, CENTS, self.locale)}\u00a0{get_currency_name(currency, value, self.locale)}"
        written = format_currency(value, currency, locale=self.locale, currency_digits=False)
        return LETTERS_AND_NUMBER.sub("\\1\u00a0\\2", written)

    def day(self, on: date) -> str:
        """A date, in short: Nov 24, 2026."""
        return format_date(on, "medium", locale=self.locale)

    def number(self, value: int) -> str:
        return format_decimal(value, locale=self.locale)

    def counted(self, count: int, **forms: str) -> str:
        """The form that the language's grammar wants for this count, with `{}` replaced by the
        number.

        English has `one` and `other`; Arabic has `zero`, `one`, `two`, `few`, `many` and `other`. A
        form `zero` is taken for none in every language.
        """
        form = "zero" if count == 0 and "zero" in forms else self.locale.plural_form(count)
        return forms[form].replace("{}", self.number(count))


@dataclass(frozen=True, slots=True)
class Letter:
    """A notice in words."""

    subject: str
    text: str
    html: str
    pictures: Mapping[str, bytes]
    """PNG by the name that the HTML calls it by, as in <img src="cid:NAME">; each has its words
    beside it.
    """


def write(kind: str, reader: Reader, facts: Mapping[str, Fact], *, link: str, unsubscribe: str | None = None) -> Letter:
    """The letter of this kind to this reader. `link` is the absolute address where the reader can
    act, `unsubscribe` the one where such letters end.

    Raises jinja2.UndefinedError when a template asks for a fact that is not there: half a letter is
    never sent.
    """
    known = _known(reader, facts)
    given = facts.get("views_by_day")
    days = given if isinstance(given, list) and len(given) > 1 and any(given) else None
    known |= {
        "chart": days is not None,
        "link": link,
        "home": settings().base_url,
        "brand": _brand(),
        "unsubscribe": unsubscribe,
    }
    stem = f"{kind}.{reader.language}"
    subject = _templates().get_template(f"{stem}.subject.txt").render(known).strip()
    return Letter(
        subject=subject,
        text=_templates().get_template(f"{stem}.txt").render(known),
        html=_templates().get_template(f"{stem}.html").render(known, subject=subject),
        pictures={"views": bars(days, mirrored=reader.direction == "rtl")} if days else {},
    )


def line(kind: str, reader: Reader, facts: Mapping[str, Fact]) -> tuple[str, str]:
    """A notice in a line of a digest: what it is about, and what it says. Raises
    jinja2.UndefinedError.
    """
    written = _templates().get_template(f"{kind}.{reader.language}.line.txt").render(_known(reader, facts))
    label, _, said = written.strip().partition("\n")
    return label, said


def in_words(error: TemplateError) -> str:
    """Which template is wrong, where and how: Jinja's own message has the last alone."""
    if isinstance(error, TemplateNotFound):
        return f"there is no mail template {error.name!r}"
    if isinstance(error, TemplateSyntaxError):
        return f"mail template {error.filename or error.name}, line {error.lineno}: {error.message}"
    frames = extract_tb(error.__traceback__)
    where = next((frame for frame in reversed(frames) if not frame.filename.endswith(".py")), frames[-1])
    return f"mail template {where.filename}, line {where.lineno}: {error.message}"


def _known(reader: Reader, facts: Mapping[str, Fact]) -> dict[str, object]:
    known: dict[str, object] = {name: harmless(fact) if isinstance(fact, str) else fact for name, fact in facts.items()}
    return known | {"reader": reader}


def harmless(text: str) -> str:
    """The text on one line, without control characters and without characters that reorder what
    surrounds them.
    """
    return "".join(
        character
        for character in " ".join(text.split())
        if character not in DIRECTIONAL_CONTROLS and unicodedata.category(character) != "Cc"
    )


def isolate(value: object) -> str:
    """The value fenced off for plain text, so that it keeps its own direction: what <bdi> does in
    HTML.
    """
    return f"{FIRST_STRONG_ISOLATE}{value}{POP_ISOLATE}"


def _brand() -> str:
    """What the recipient knows us as: the sender's name, else the marketplace's host."""
    return parseaddr(settings().mail_from)[0] or urlsplit(settings().base_url).hostname or ""


def _templates() -> Environment:
    return _templates_of(settings().mail_templates)


@lru_cache(maxsize=4)
def _templates_of(own: Path | None) -> Environment:
    """A template of one's own, in the folder `own`, goes before ours of the same name; ours is
    `forecourt/NAME` to extend it.
    """
    ours = PackageLoader("forecourt.marketplace")
    environment = Environment(
        loader=ChoiceLoader([*([FileSystemLoader(own)] if own else []), ours, PrefixLoader({"forecourt": ours})]),
        undefined=StrictUndefined,
        autoescape=select_autoescape(["html"]),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["isolate"] = isolate
    return environment
