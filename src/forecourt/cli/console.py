"""How commands speak: tables for people, JSON for programs, and questions before anything is
destroyed.
"""

import getpass
import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from itertools import zip_longest
from math import isnan
from typing import IO, TYPE_CHECKING, Any

import click

from forecourt.durations import LONGEST
from forecourt.durations import duration as duration
from forecourt.durations import relative as relative
from forecourt.visible import visible

if TYPE_CHECKING:
    from psycopg import Connection

ID = click.IntRange(1, 2**63 - 1)
"""The ids that rows may have."""


class Number(click.FloatRange):
    """A number in a range, of which click says that NaN is in each."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it. Raises BadParameter."""
        number: float = super().convert(value, param, ctx)
        if isnan(number):
            self.fail(f"{value!r} is not a valid {self.name}.", param, ctx)
        return number


SECONDS = Number(0, LONGEST)
MINUTES = Number(0, LONGEST / 60, min_open=True)
HOURS = Number(0, LONGEST / 3600)
"""Durations, up to a hundred years."""

PATIENCE = "10s"
"""How long a command waits for a lock that another transaction holds."""

NARROWEST = 8
"""Characters below which no column of a table is folded."""


class Instant(click.ParamType[datetime]):
    """An instant as ISO 8601 has it; without an offset it is local time."""

    name = "instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read it. Raises BadParameter."""
        try:
            return (value if isinstance(value, datetime) else datetime.fromisoformat(value)).astimezone()
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is not an instant such as 2026-11-24T03:00 or 2026-11-24T03:00+02:00", param, ctx)


INSTANT = Instant()

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


LISTS = ("queue size", "schedule list", "queue worker list")
RUNS = ("up", "queue work", "schedule work")
WORDS_ELSEWHERE = {
    **dict.fromkeys(("list", "ls", "status", "stats", "info", "inspect", "ps"), LISTS),
    **dict.fromkeys(("start", "run", "serve", "daemon", "horizon"), RUNS),
    **dict.fromkeys(("worker", "listen", "consume"), ("queue work",)),
    **dict.fromkeys(("beat", "clock", "scheduler"), ("schedule work",)),
    **dict.fromkeys(("purge", "empty"), ("queue clear",)),
    **dict.fromkeys(("stop", "terminate", "kill", "reload"), ("queue worker stop", "queue restart")),
}
"""What other schedulers and queues, and people in a hurry, call our commands."""


class Commands(click.Group):
    """A group whose help says what each command does to the end, and that guesses what was meant by
    one that it does not have.
    """

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Every command with the first sentence of its help."""
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(limit=1000)) for name, command in found if command])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that was typed. Raises UsageError, with what was probably meant."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            ctx.fail(f"No such command {args[0]!r}.{_as_elsewhere(ctx, args[0]) or self.guess(ctx, args[0])}")
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None and command is not None:
            from forecourt.cli.asking import require_near

            require_near(ctx, name, command)
        return name, command, rest

    def guess(self, ctx: click.Context, typed: str) -> str:
        """What might have been meant by a command that there is not, as a sentence."""
        return perhaps(typed, self.list_commands(ctx))


def _as_elsewhere(ctx: click.Context, typed: str) -> str:
    """The commands that another system calls so, of this group if there are any, in words."""
    meant = WORDS_ELSEWHERE.get(typed, ())
    here = [words for words in meant if f"forecourt {words}".startswith(f"{ctx.command_path} ")]
    words = [f"`forecourt {command}`" for command in here or meant]
    return f" Did you mean {' or '.join(words)}?" if words else ""


def perhaps(typed: str, names: Sequence[str]) -> str:
    """What might have been meant, as a sentence."""
    close = get_close_matches(typed, names, n=2, cutoff=0.6) or [name for name in names if name.startswith(typed)]
    return f" Did you mean {' or '.join(close)}?" if close else f" There is {', '.join(names) or 'none'}."


def say(text: str, *, err: bool = False, **style: Any) -> None:
    """Print a text, of which any part may be from outside."""
    _print(visible(text), err=err, **style)


def _print(text: str, **style: Any) -> None:
    click.secho(text, color=False if os.environ.get("NO_COLOR") else None, **style)


def warn_of_unknown(tx: "Connection[Any]", queues: Sequence[str]) -> None:
    """Say so when nobody has ever used a queue of this name: it is probably misspelled, and may be
    meant for later.
    """
    from forecourt.web.api.queues import unknown

    for queue in queues:
        warn(unknown(tx, queue))


def warn(words: str | None) -> None:
    """Say what whoever asked should know, if there is something."""
    if words is not None:
        say(f"Warning: {words}", err=True, fg="yellow")


def print_json(value: Any) -> None:
    """One JSON document: snake_case, instants as RFC 3339 in UTC, durations in seconds."""
    click.echo(json.dumps(value, default=_plain, ensure_ascii=False))


def print_result(as_json: bool, words: str, value: dict[str, Any]) -> None:
    """What a command did: a sentence for people, or the same as JSON."""
    if as_json:
        print_json(value)
    else:
        say(words)


def count_of_calls(count: int) -> str:
    """ "1 call", "7 calls"."""
    return "1 call" if count == 1 else f"{count} calls"


def print_table(headings: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str) -> None:
    """Aligned columns; numbers to the right. Without rows: the sentence that says why.

    On a terminal where they do not fit beside each other, the widest are folded.
    """
    table = [[_cell(value) for value in row] for row in rows]
    if not table:
        say(empty, err=True)
        return
    numeric = [all(_is_number(row[column]) for row in table) for column in range(len(headings))]
    widths = [max(len(line[column]) for line in [list(headings), *table]) for column in range(len(headings))]
    if sys.stdout.isatty():
        widths = _fitted(widths, numeric, shutil.get_terminal_size().columns)
    for number, line in enumerate([list(headings), *table]):
        folded = [_folded(cell, width) for cell, width in zip(line, widths, strict=True)]
        for part in zip_longest(*folded, fillvalue=""):
            text = "  ".join(
                cell.rjust(width) if right else cell.ljust(width)
                for cell, width, right in zip(part, widths, numeric, strict=True)
            )
            _print(text.rstrip(), bold=number == 0)


def _fitted(widths: list[int], numeric: list[bool], room: int) -> list[int]:
    """The widths, of which those of text are made smaller, the widest first, until all fit; none
    below NARROWEST.
    """
    while sum(widths) + 2 * (len(widths) - 1) > room:
        width, column = max((0 if numeric[n] else width, n) for n, width in enumerate(widths))
        if width <= NARROWEST:
            break
        widths = [*widths[:column], width - 1, *widths[column + 1 :]]
    return widths


def _folded(cell: str, width: int) -> list[str]:
    """The cell as lines of at most this width, three at most."""
    return (
        [cell]
        if len(cell) <= width
        else textwrap.wrap(cell, width, max_lines=3, placeholder="…", break_on_hyphens=False)
    )


def confirm(question: str, *, yes: bool, default: bool = False) -> None:
    """Go on only with `--yes` or a yes at the terminal. Raises Refused; without a terminal nobody
    is asked.
    """
    from forecourt.cli.errors import Refused

    if yes:
        return
    if not sys.stdin.isatty():
        raise Refused(f"{question} There is no terminal to ask at: repeat with --yes")
    if not click.confirm(question, default=default, err=True):
        raise Refused("Cancelled, nothing was changed.")


def lead_nowhere(stream: IO[Any]) -> None:
    """Drop what an output does not take, and all that is still to be said there: it would fail once
    more when the process ends."""
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - only its descriptor matters
        os.dup2(nowhere.fileno(), stream.fileno())


@contextmanager
def transaction() -> Iterator["Connection[Any]"]:
    """A transaction on the configured database, committed at the end of the block. Raises
    LockNotAvailable where another holds what is needed for longer than PATIENCE.
    """
    from forecourt.database.connecting import connect

    with closing(connect()) as connection, connection:  # it stays open where the commit raises
        connection.execute("SELECT set_config('lock_timeout', %s, true)", (PATIENCE,))
        yield connection


def me() -> str:
    """Who is at the keyboard, for pauses and the audit."""
    try:
        return f"{getpass.getuser()} (command line)"
    except (KeyError, OSError):
        return "command line"


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
            return visible(value).replace("\n", " ")
        case _:
            return visible(json.dumps(value, default=_plain, ensure_ascii=False))


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


def database_address() -> str:
    """Where the database is, without what is secret in it: the password, that of a client's key,
    and whatever else libpq takes that lets somebody in."""
    from forecourt.database import database_url
    from forecourt.masking import is_secret

    url = database_url().set(drivername="postgresql")
    secret = {name: "***" for name in url.query if is_secret(name, also=("scram_",))}
    return url.update_query_dict(secret).render_as_string(hide_password=True).replace("%2A%2A%2A", "***")
