"""`forecourt photos`: photos that are on two listings, for whoever looks after the marketplace."""

from collections.abc import Sequence
from dataclasses import asdict

import click

from forecourt.cli.console import ID, Commands, json_option, me, print_json, print_result, print_table


@click.group(cls=Commands)
def photos() -> None:
    """The listings' photos."""


@photos.command()
@click.option("--all", "also_settled", is_flag=True, help="Also those that somebody has looked at.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@json_option
def twins(also_settled: bool, limit: int, as_json: bool) -> None:
    """Photos of one listing that are on another as well, newest first: stolen ones, or one car
    offered twice.
    """
    from forecourt.database import session
    from forecourt.marketplace.twins import twins as found

    with session() as tx:
        rows = found(tx, also_settled=also_settled, limit=limit)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    print_table(
        ["id", "listing", "title", "also on", "title there", "owner", "bits", "found at", "looked at by"],
        [
            [
                row.id,
                row.listing_id,
                row.title,
                row.other_listing_id,
                row.other_title,
                "the same" if row.same_owner else "another",
                row.bits,
                row.found_at,
                row.settled_by or "",
            ]
            for row in rows
        ],
        empty="No photo is known to be on two listings.",
    )


@photos.command()
@click.argument("ids", nargs=-1, required=True, type=ID)
@json_option
def settle(ids: Sequence[int], as_json: bool) -> None:
    """You have looked at the findings IDS: they are not shown again."""
    from forecourt.cli.errors import NotFound
    from forecourt.database import in_transaction_of, session
    from forecourt.marketplace.twins import settle as settled
    from forecourt.store import audit

    with session() as tx:
        done = settled(tx, ids, me())
        if not done:
            raise NotFound("none of these is an open finding: see forecourt photos twins")
        audit.record(in_transaction_of(tx), me(), "photos settle", {"ids": list(done)}, len(done))
    print_result(as_json, f"Settled: {', '.join(str(id) for id in sorted(done))}.", {"settled": sorted(done)})
