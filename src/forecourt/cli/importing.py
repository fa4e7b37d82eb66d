"""`forecourt schedule import-crontab`: a crontab, as a timetable in Python."""

import sys
from typing import TextIO

import click

from forecourt.cli.console import say
from forecourt.cli.errors import DEGRADED


@click.command("import-crontab")
@click.argument("file", type=click.File())
@click.option(
    "--with-user", is_flag=True, help="A user stands before each command, as in /etc/crontab and /etc/cron.d."
)
@click.option("--timezone", help="The zone that cron runs in, instead of the settings'.")
def import_crontab(file: TextIO, with_user: bool, timezone: str | None) -> None:
    """Print a timetable in Python that does what the crontab FILE does; - reads `crontab -l`.
    Nothing is changed.

    Exits with 3 when a line could not be read; such lines are in the timetable as comments.
    """
    from forecourt.schedule.crontab import Unread, read, timetable
    from forecourt.schedule.zones import zone_named

    if timezone is not None:
        zone_named(timezone)
    name = "the crontab" if file.name == "<stdin>" else file.name
    try:
        text = file.read()
    except UnicodeDecodeError as error:
        raise click.UsageError(
            f"{name} is not UTF-8 ({error.reason}): give it through iconv, as in "
            "iconv -f latin1 -t utf-8 FILE | forecourt schedule import-crontab -"
        ) from None
    lines = list(read(text, with_user=with_user))
    say(timetable(lines, name=name, zone=timezone).rstrip("\n"))
    unread = [line for line in lines if isinstance(line, Unread)]
    for line in unread:
        say(f"Line {line.number} is left out: {line.why}", err=True, fg="yellow")
    if unread:
        sys.exit(DEGRADED)
