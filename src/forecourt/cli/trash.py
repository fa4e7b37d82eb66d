"""`forecourt trash`: the listings that were thrown away: what lies there, back with them, or away
for good.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from forecourt.cli.console import (
    ID,
    Commands,
    confirm,
    json_option,
    me,
    print_json,
    print_result,
    print_table,
    relative,
    say,
    yes_option,
)

days_option = click.option(
    "--days",
    type=click.IntRange(0, 36_500),
    help="Trashed so many days ago or earlier.  [default: the setting trash_days, 30]",
)


@click.group(cls=Commands)
def trash() -> None:
    """The listings in the trash."""


@trash.command("list")
@click.option(
    "--days",
    type=click.IntRange(0, 36_500),
    help="How long the trash keeps.  [default: the setting trash_days, 30]",
)
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@json_option
def list_(days: int | None, limit: int, as_json: bool) -> None:
    """What lies in the trash, the first to go first."""
    from forecourt.database import session
    from forecourt.marketplace.business import business
    from forecourt.marketplace.trashed import trashed

    with session() as tx:
        keeps = business(tx).trash_days if days is None else days
        rows = trashed(tx, days=keeps, limit=limit)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    print_table(
        ["id", "title", "owner", "trashed at", "goes", "photos"],
        [[row.id, row.title, row.owner_id, row.deleted_at, relative(row.goes_at), row.photos] for row in rows],
        empty="The trash is empty.",
    )


@trash.command()
@click.argument("ids", nargs=-1, required=True, type=ID)
@json_option
def restore(ids: Sequence[int], as_json: bool) -> None:
    """Take the listings IDS out of the trash, as they were: all of them, or none."""
    from forecourt.database import in_transaction_of, session
    from forecourt.marketplace import trashed
    from forecourt.store import audit

    with session() as tx:
        count = trashed.restore(tx, ids)
        audit.record(in_transaction_of(tx), me(), "trash restore", {"ids": list(ids)}, count)
    print_result(as_json, f"{_listings(count)} restored.", {"restored": count})


@trash.command()
@click.argument("ids", nargs=-1, type=ID)
@days_option
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@yes_option
@json_option
def purge(ids: Sequence[int], days: int | None, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Delete for good what was trashed over --days ago, or those of IDS whatever their age."""
    from forecourt.database import in_transaction_of, session
    from forecourt.marketplace.business import business
    from forecourt.marketplace.trash import purge as delete
    from forecourt.marketplace.trashed import require_trashed
    from forecourt.store import audit

    with session() as tx:
        keeps = business(tx).trash_days if days is None else days
        chosen, oldest = (ids, 0) if ids else (None, keeps)
        require_trashed(tx, ids)
        would = delete(tx, oldest, chosen)
        tx.rollback()  # the very statements that delete, undone
    if dry_run:
        _print(would, as_json, "would be deleted", dry_run=True)
        return
    if would.gone["deleted"]:
        confirm(f"This deletes {_listings(would.gone['deleted'])} for good. Continue?", yes=yes)
    with session() as tx:
        done = delete(tx, oldest, chosen)
        audit.record(
            in_transaction_of(tx), me(), "trash purge", {"ids": list(ids), "days": oldest}, done.gone["deleted"]
        )
    _print(done, as_json, "deleted", dry_run=False)


def _print(emptied: Any, as_json: bool, verb: str, *, dry_run: bool) -> None:
    if as_json:
        kept = [asdict(kept) for kept in emptied.kept]
        print_json(emptied.gone | {"kept": kept, "dry_run": dry_run})
        return
    gone = emptied.gone
    say(
        f"{_listings(gone['deleted'])} {verb}, with {gone['stats']} rows of stats and {gone['events']} events; "
        f"{gone['files']} photo files follow when no other listing has them."
    )
    for kept in emptied.kept:
        say(f"Listing {kept.listing_id} stays: {kept.why}", err=True, fg="yellow")


def _listings(count: int) -> str:
    return "1 listing" if count == 1 else f"{count} listings"
