"""`forecourt privacy`: what is held on one person, told or taken away."""

from pathlib import Path
from typing import Any

import click

from forecourt.cli.console import Commands, confirm, json_option, me, print_json, say, yes_option


@click.group(cls=Commands)
def privacy() -> None:
    """What is held on one person."""


@privacy.command()
@click.argument("user")
@click.option(
    "--to", "folder", type=click.Path(path_type=Path, file_okay=False), help="A new folder, for photos as well."
)
def export(user: str, folder: Path | None) -> None:
    """Everything that is held on USER, an id or a mail address, as one JSON document; with --to a
    folder of it and the photos.
    """
    from forecourt.cli.errors import Refused
    from forecourt.database import in_transaction_of, session
    from forecourt.marketplace import privacy as rights
    from forecourt.store import audit

    if folder is not None and folder.exists() and any(folder.iterdir()):
        raise Refused(f"{folder} is not empty: name a new folder")
    with session() as tx:
        whose = _person(tx, user)
        held = rights.export(tx, whose)
        audit.record(in_transaction_of(tx), me(), "privacy export", {"user": whose.id})
    if folder is None:
        print_json(held)
        return
    _write(folder, held)
    say(f"{len(held['listings'])} listings, {len(held['notices'])} notices, {len(held['events'])} events: {folder}")


@privacy.command()
@click.argument("user")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@yes_option
@json_option
def erase(user: str, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Take away everything that is held on USER, an id or a mail address: rows, photos, mails, and
    what lies in the archive.
    """
    from dataclasses import asdict

    from forecourt.cli.errors import Degraded
    from forecourt.database import in_transaction_of, session
    from forecourt.marketplace import privacy as rights
    from forecourt.store import audit

    with session() as tx:
        whose = _person(tx, user)
    if not dry_run:
        confirm(f"This erases user {whose.id} with {len(whose.listings)} listings for good. Continue?", yes=yes)
    done = rights.erase(str(whose.id), dry_run=dry_run)
    if not dry_run:
        with session() as tx:  # the number alone: whose it was is what is to be forgotten
            audit.record(in_transaction_of(tx), me(), "privacy erase", {"user": whose.id}, sum(done.gone.values()))
    if as_json:
        print_json(asdict(done) | {"dry_run": dry_run})
    else:
        _tell(done, "would go" if dry_run else "went")
    if done.archive.unreadable:
        raise Degraded(
            f"{len(done.archive.unreadable)} archive files could not be read: mend them, and erase what is in them"
        )


def _person(tx: Any, user: str) -> Any:
    from forecourt.cli.errors import NotFound
    from forecourt.marketplace import privacy as rights

    try:
        return rights.person(tx, user)
    except rights.NoSuchPerson as unknown:
        raise NotFound(str(unknown)) from None


def _write(folder: Path, held: dict[str, Any]) -> None:
    import json

    from forecourt.marketplace import places
    from forecourt.marketplace.storage import StorageError

    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    (folder / "data.json").write_text(json.dumps(held, ensure_ascii=False, indent=2, default=str))
    files = places.files()
    for key in held["photos"]:
        try:
            photo = files.read(key)
        except StorageError as missing:
            say(str(missing), err=True, fg="yellow")
            continue
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(photo)


def _tell(done: Any, verb: str) -> None:
    for name, count in done.gone.items():
        say(f"{count:>8,} {name} {verb}")
    say(f"{done.archive.events:>8,} archived events {verb}, of {done.archive.files} files")
    for words in (*done.stays, *done.archive.unreadable):
        say(words, err=True, fg="yellow")
