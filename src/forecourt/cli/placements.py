"""`forecourt placements`: sponsored and featured listings."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from forecourt.cli.console import ID, Commands, json_option, me, print_json, print_result, print_table, relative

if TYPE_CHECKING:
    from forecourt.marketplace.placed import Kind

KIND = click.Choice(["sponsored", "featured"])


@click.group(cls=Commands)
def placements() -> None:
    """Sponsored and featured listings."""


@placements.command("list")
@click.option("--kind", type=KIND, help="Only these.")
@click.option("--ending-within", type=click.IntRange(0, 36_500), metavar="DAYS", help="Only what ends so soon.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@json_option
def list_(kind: "Kind | None", ending_within: int | None, limit: int, as_json: bool) -> None:
    """What is placed, the first to end first."""
    from forecourt.database import session
    from forecourt.marketplace.placed import placed

    with session() as tx:
        rows = placed(tx, kind=kind, ending_within=ending_within, limit=limit)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    print_table(
        ["id", "title", "owner", "kind", "until", "ends", "position"],
        [
            [row.id, row.title, row.owner_id, row.kind, row.until, row.until and relative(row.until), row.position]
            for row in rows
        ],
        empty="No placements.",
    )


@placements.command()
@click.argument("listing_id", metavar="ID", type=ID)
@click.option("--days", type=click.IntRange(1, 3_650), required=True, help="So many days more.")
@click.option("--kind", type=KIND, default="sponsored", show_default=True)
@json_option
def extend(listing_id: int, days: int, kind: "Kind", as_json: bool) -> None:
    """Move the end of the placement of listing ID; one that is over but still shown goes on from
    now.
    """
    from forecourt.database import in_transaction_of, session
    from forecourt.marketplace.placed import extend as move
    from forecourt.store import audit

    with session() as tx:
        until = move(tx, listing_id, kind, days)
        audit.record(
            in_transaction_of(tx), me(), "placements extend", {"id": listing_id, "kind": kind, "days": days}, 1
        )
    words = f"Listing {listing_id} is {kind} until {until.astimezone():%Y-%m-%d %H:%M}."
    print_result(as_json, words, {"id": listing_id, "kind": kind, "until": until})
