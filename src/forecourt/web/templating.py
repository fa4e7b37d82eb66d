"""The templates, and what they may use. Whatever a template prints is escaped, and what would act instead of being read is spelled
out: no name, argument or error from outside can be more than text on a page."""

import shlex
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from forecourt.durations import duration, relative
from forecourt.masking import hide_text
from forecourt.settings import settings
from forecourt.version import __version__
from forecourt.visible import visible
from forecourt.web import drawing, quantiles, words

HERE = Path(__file__).parent
STATIC = HERE / "static"


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
    made.filters |= {
        "duration": duration,
        "number": words.number,
        "capped": words.capped,
        "size": words.size,
        "did": words.did,
        "brief": brief,
        "clock": clock,
        "day": day,
        "masked": hide_text,
        "minute": minute,
        "zulu": zulu,
        "path": path_part,
        "wrapped": wrapped,
    }
    made.globals |= {
        "asset": asset,
        "draw": drawing,
        "relative": relative,
        "some": words.some,
        "quantile": quantiles.quantile,
        "query": query,
        "shell": shell,
        "version": __version__,
    }
    made.globals["ui"] = made.get_template("parts/ui.html").module
    return made


def _readable(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def brief(text: str, most: int = 160) -> str:
    """A text in one line of at most so many characters."""
    line = " ".join(text[: most * 4].split())
    return line if len(line) <= most and len(text) <= most * 4 else f"{line[: most - 1]}…"


def wrapped(name: str) -> Markup:
    """A name that may be broken after its underscores, as on a phone it has to be."""
    return Markup(escape(visible(name)).replace("_", Markup("_<wbr>")))


def clock(instant: datetime, now: datetime | None = None) -> str:
    """The time of day in the business zone; with its date when that is not the day of `now`."""
    local = instant.astimezone(settings().zone)
    if now is None or local.date() == now.astimezone(settings().zone).date():
        return f"{local:%H:%M:%S}"
    return f"{local.day} {local:%b %H:%M}" if abs((now - instant).days) < 300 else f"{local:%Y-%m-%d %H:%M}"


def minute(instant: datetime) -> str:
    """ "03:14", in the business zone; with seconds where there are some."""
    local = instant.astimezone(settings().zone)
    return f"{local:%H:%M}" if local.second == 0 else f"{local:%H:%M:%S}"


def day(instant: datetime) -> str:
    """ "24 November 2026"."""
    local = instant.astimezone(settings().zone)
    return f"{local.day} {local:%B %Y}"


def zulu(instant: datetime) -> str:
    """As machines read it."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


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
