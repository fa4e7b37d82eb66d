"""`forecourt import`: users, providers, listings and events from files of another system: looked at
first, then entered once.
"""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from forecourt.cli.console import confirm, json_option, me, print_json, say, yes_option

if TYPE_CHECKING:
    from forecourt.marketplace.imports.running import Imported

KINDS = ["users", "providers", "listings", "events"]
PATH = click.Path(exists=True, dir_okay=False, path_type=Path)

SHOWN = 5
"""Errors that are shown; all are in the file."""

SELDOM = 10.0
"""Seconds between two lines of progress where nobody looks; on a terminal there is one line, which
changes.
"""


@click.command("import")
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("file", type=PATH)
@click.option("--map", "mapping", type=PATH, help="Which of their columns is which of ours, in TOML.")
@click.option("--format", "form", type=click.Choice(["csv", "parquet", "mysql"]), help="What FILE is; its name tells.")
@click.option(
    "--errors", type=click.Path(dir_okay=False, path_type=Path), help="Where rows that will not do are named."
)
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
@yes_option
@json_option
def import_(
    kind: str,
    file: Path,
    mapping: Path | None,
    form: str | None,
    errors: Path | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Import users, providers, listings or events from FILE: CSV, Parquet, or a dump of MySQL or
    MariaDB.

    First all of it is tried and undone; then you are asked. What is there already stays as it is. A
    run that was broken off goes on where it was; of a file that is done only refused rows are tried
    again. Exit code 1 when rows were refused.
    """
    from forecourt.cli.errors import Busy, Failed
    from forecourt.database import in_transaction_of, session
    from forecourt.marketplace.imports import mapping as mappings
    from forecourt.marketplace.imports import running, sources
    from forecourt.store import audit

    taken = form or sources.form_of(file)
    mapped = mappings.read(kind, mapping)
    found = running.rehearse(file, taken, mapped, _Shown("tried", quiet=as_json))
    if dry_run or not found.new:
        done = "would be imported" if dry_run else "imported"
    else:
        if not as_json:
            _say(found, "would be imported")
        confirm(f"Import {kind}: {found.new} of {found.read} rows?", yes=yes)
        try:
            found = running.run(file, taken, mapped, _Shown("read", quiet=as_json))
        except running.ImportIsRunning as other:
            raise Busy(str(other)) from None
        with session() as tx:
            audit.record(in_transaction_of(tx), me(), f"import {kind}", {"file": str(file)}, found.new)
        done = "imported"
    if as_json:
        print_json(_facts(found) | {"dry_run": dry_run})
    else:
        _say(found, done)
    if found.refused:
        named = errors or file.with_name(f"{file.name}.errors.csv")
        _write(named, found)
        raise Failed(f"{len(found.refused)} of {found.read} rows will not do: {named}")


def _say(found: "Imported", verb: str) -> None:
    if found.resumed:
        say(f"{found.resumed} rows were done by an earlier run of this file.", err=True)
    if found.left_out:
        say(f"Left out, since no column of ours is mapped to it: {', '.join(found.left_out)}", err=True, fg="yellow")
    say(f"{found.new} of {found.read} rows {verb}; {found.there} are there already, {len(found.refused)} will not do.")
    for place, why in found.refused[:SHOWN]:
        say(f"  line {place.line}: {why}", err=True, fg="red")


def _facts(found: "Imported") -> dict[str, object]:
    return {
        "read": found.read,
        "imported": found.new,
        "there": found.there,
        "resumed": found.resumed,
        "left_out": found.left_out,
        "refused": [{"line": place.line, "why": why} for place, why in found.refused],
    }


def _write(path: Path, found: "Imported") -> None:
    import csv

    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["line", "why"])
        writer.writerows((place.line, why) for place, why in found.refused)


class _Shown:
    """How far it is: one line that changes on a terminal, a line now and then elsewhere, nothing
    for programs.
    """

    def __init__(self, verb: str, *, quiet: bool) -> None:
        self._verb = verb
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._said_at = time.monotonic()

    def __call__(self, read: int, at: float) -> None:
        now = time.monotonic()
        if self._quiet or now - self._said_at < (0.2 if self._terminal else SELDOM):
            return
        self._said_at = now
        words = f"{read} rows {self._verb}, {at:.0%} of the file"
        click.echo(f"\r{words}\033[K" if self._terminal else words, err=True, nl=not self._terminal)
        if self._terminal and at >= 1:
            click.echo(err=True)
