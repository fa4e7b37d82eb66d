"""How commands speak: tables for people, JSON for programs, and questions before anything is destroyed."""

import getpass
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from psycopg import Connection

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


def print_json(value: Any) -> None:
    """One JSON document: snake_case, instants as RFC 3339 in UTC, durations in seconds."""
    click.echo(json.dumps(value, default=_plain, ensure_ascii=False))


def print_result(as_json: bool, words: str, value: dict[str, Any]) -> None:
    """What a command did: a sentence for people, or the same as JSON."""
    if as_json:
        print_json(value)
    else:
        click.echo(words)


def count_of_calls(count: int) -> str:
    """ "1 call", "7 calls"."""
    return "1 call" if count == 1 else f"{count} calls"


def print_table(headings: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str) -> None:
    """Aligned columns; numbers to the right. Without rows: the sentence that says why."""
    table = [[_cell(value) for value in row] for row in rows]
    if not table:
        click.echo(empty, err=True)
        return
    numeric = [all(_is_number(row[column]) for row in table) for column in range(len(headings))]
    widths = [max(len(line[column]) for line in [list(headings), *table]) for column in range(len(headings))]
    for number, line in enumerate([list(headings), *table]):
        text = "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        click.secho(text, bold=number == 0)


def confirm(question: str, *, yes: bool, default: bool = False) -> None:
    """Go on only with `--yes` or a yes at the terminal. Raises Refused; without a terminal nobody is asked."""
    from forecourt.cli.errors import Refused

    if yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise Refused(f"{question} There is no terminal to ask at: repeat with --yes")
    if not click.confirm(question, default=default, err=True):
        raise Refused("Cancelled, nothing was changed.")


@contextmanager
def transaction() -> Iterator["Connection[Any]"]:
    """A transaction on the configured database, committed at the end of the block."""
    from forecourt.database.engine import connect

    with connect() as connection:
        yield connection


def me() -> str:
    """Who is at the keyboard, for pauses and the audit."""
    try:
        return f"{getpass.getuser()} (command line)"
    except (KeyError, OSError):
        return "command line"


def relative(instant: datetime, now: datetime | None = None) -> str:
    """ "in 3 h 20 min", "2 d ago"."""
    seconds = (instant - (now or datetime.now(UTC))).total_seconds()
    return f"in {duration(seconds)}" if seconds > 0 else f"{duration(-seconds)} ago"


def duration(seconds: float) -> str:
    """A length of time in its two largest units."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min"


def _cell(value: Any) -> str:
    match value:
        case None:
            return "–"
        case datetime():
            return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        case float():
            return f"{value:.1f}"
        case int():
            return str(value)
        case str():
            return value.replace("\n", " ")
        case _:
            return json.dumps(value, default=_plain, ensure_ascii=False)


def _is_number(text: str) -> bool:
    return text == "–" or text.replace(".", "", 1).isdigit()


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case timedelta():
            return value.total_seconds()
        case _:
            return str(value)
