"""The templates, and what they may use. Whatever a template prints is escaped, and what would act
instead of being read is spelled out: no name, argument or error from outside can be more than text
on a page."""

import re
import shlex
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.runtime import Context
from markupsafe import Markup

from forecourt import language
from forecourt.alerts.naming import called
from forecourt.durations import duration, relative
from forecourt.masking import hide_text
from forecourt.schedule import sentence_translation
from forecourt.version import __version__
from forecourt.web import dates, drawing, quantiles, words
from forecourt.web.readable import readable

HERE = Path(__file__).parent
STATIC = HERE / "static"

LONG_NAME = 32
"""Characters of a name beyond which a table has no room for it in one line."""

PARTS = re.compile("[^_]{1,24}_?|_")
"""Of a name, between which it may be broken."""


class PlainCalls(Context):
    """Calls what a template calls, and nothing else. Jinja's own looks each time whether the
    function wants the context, as none of ours does: a tenth of a long page.
    """

    def call(
        self,
        function: Callable[..., Any],
        /,
        *given: Any,
        _block_vars: Any = None,
        _loop_vars: Any = None,
        **named: Any,
    ) -> Any:
        return function(*given, **named)


def environment() -> Environment:
    """As `_environment`, of which there is one."""
    return _environment()


@lru_cache(maxsize=1)
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_readable,
    )
    made.context_class = PlainCalls
    made.filters |= {
        "duration": duration,
        "number": words.number,
        "capped": words.capped,
        "percent": words.percent,
        "size": words.size,
        "did": words.did,
        "brief": brief,
        "appointment": dates.appointment,
        "clock": dates.clock,
        "day": dates.day,
        "exactly": dates.exactly,
        "masked": hide_text,
        "minute": dates.minute,
        "weekday": dates.weekday,
        "zulu": dates.zulu,
        "path": path_part,
        "shown": words.shown,
        "wrapped": wrapped,
    }
    made.globals |= {
        "_": said,
        "asset": asset,
        "called": called,
        "comma": language.comma,
        "described": words.described,
        "direction": language.direction,
        "draw": drawing,
        "language": language.language,
        "languages": language.LANGUAGES,
        "marked": language.marked,
        "markup": markup,
        "relative": relative,
        "sentence": sentence_translation.of,
        "some": language.some,
        "word": language.lookup,
        "quantile": quantiles.quantile,
        "query": query,
        "shell": shell,
        "version": __version__,
    }
    made.globals["ui"] = made.get_template("parts/ui.html").module
    return made


def _readable(value: Any) -> Any:
    # What is printable is readable, and nearly all is: asked first, ten thousand times a page.
    if not isinstance(value, str) or value.isprintable() or isinstance(value, Markup):
        return value
    return readable(value)


def said(message: str, **facts: object) -> Markup:
    """A message of ours, which may hold markup, in the reader's language. What is filled in is
    escaped, and where the language runs from right to left it keeps its own direction."""
    if not facts:
        return _without_facts(language.language(), message)
    return Markup(language.lookup(message)) % {name: _filled_in(fact) for name, fact in facts.items()}


@lru_cache(maxsize=4096)
def _without_facts(_language: str, message: str) -> Markup:
    """Labels, which a page may say a thousand times."""
    return Markup(language.lookup(message)) % {}


def _filled_in(fact: object) -> object:
    if isinstance(fact, Markup):
        return fact
    return language.isolated(readable(str(fact)))


def markup(form: str, *given: object) -> Markup:
    """Markup of ours with what is given in it, escaped."""
    return Markup(form) % tuple(readable(str(part)) for part in given)


def brief(text: str, most: int = 160) -> str:
    """A text in one line of at most so many characters."""
    line = " ".join(text[: most * 4].split())
    return line if len(line) <= most and len(text) <= most * 4 else f"{line[: most - 1]}…"


def wrapped(name: str) -> Markup:
    """A name that may be broken after its underscores, as on a phone it has to be; elsewhere only
    when it is long.
    """
    between = Markup("<wbr>" if len(name) > LONG_NAME else '<wbr class="narrow-only">')
    return between.join(PARTS.findall(readable(name)))


def path_part(name: str) -> str:
    """A name as part of a path."""
    return quote(name, safe="")


def query(**parameters: Any) -> str:
    """The end of an address, with all parameters that are something: "?state=failed&job=x"."""
    given = {name: value for name, value in parameters.items() if value not in (None, "")}
    return f"?{urlencode(given)}" if given else ""


def shell(*command: str) -> str:
    """A command as one types it, with quotes where a shell needs them."""
    return shlex.join(command)


@lru_cache(maxsize=1)
def assets() -> dict[str, tuple[str, bytes]]:
    """Every file under `static`, by its name, with a digest of its content."""
    files = {path.relative_to(STATIC).as_posix(): path.read_bytes() for path in STATIC.rglob("*") if path.is_file()}
    return {name: (sha256(content).hexdigest()[:12], content) for name, content in files.items()}


def asset(name: str) -> str:
    """The address of a file, which changes with its content."""
    return f"/static/{assets()[name][0]}/{name}"
