"""`forecourt web token add|list|remove`: which programs may ask, and do what."""

from dataclasses import asdict
from datetime import timedelta

import click

from forecourt.cli.console import Commands, json_option, me, print_json, print_result, print_table, say, transaction


@click.group(cls=Commands)
def token() -> None:
    """Tokens for programs, which send them as `Authorization: Bearer`."""


@token.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(["read", "operate", "admin", "events", "photos", "push"]),
    multiple=True,
    default=["read"],
    show_default=True,
    help="read, operate, admin: what viewer, operator, admin may; events, photos, push: only to hand these in. Repeat for several.",
)
@click.option("--days", type=click.IntRange(1, 36500), help="It ends by itself after so many days.")
@json_option
def add(name: str, scopes: tuple[str, ...], days: int | None, as_json: bool) -> None:
    """Make a token and print it. It is shown this once: only a digest of it is kept."""
    from forecourt.cli.errors import Refused
    from forecourt.operations import tokens

    with transaction() as tx:
        try:
            text, kept = tokens.add(tx, name, scopes, lasts=timedelta(days=days) if days else None, who=me())
        except tokens.NameTaken as error:
            raise Refused(str(error)) from None
    if as_json:
        print_json({"name": name, "scopes": kept.scopes, "ends_at": kept.ends_at, "token": text})
        return
    until = f"until {kept.ends_at.astimezone():%Y-%m-%d %H:%M}" if kept.ends_at else "until it is removed"
    say(f"{name} may {', '.join(kept.scopes)} {until}. The token is shown this once:", err=True)
    click.echo(text)


@token.command("list")
@json_option
def list_(as_json: bool) -> None:
    """Every token, without its text."""
    from forecourt.store import tokens

    with transaction() as tx:
        rows = tokens.listed(tx)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    print_table(
        ["name", "scopes", "by", "since", "until", "used"],
        [[row.name, ", ".join(row.scopes), row.created_by, row.created_at, row.ends_at, row.used_at] for row in rows],
        empty="No token. Make one: forecourt web token add NAME --scope read",
    )


@token.command()
@click.argument("name")
@json_option
def remove(name: str, as_json: bool) -> None:
    """Take a token back. Within five seconds nobody gets in with it."""
    from forecourt.cli.errors import NotFound
    from forecourt.operations import tokens

    with transaction() as tx:
        if not tokens.remove(tx, name, who=me()):
            raise NotFound(f"no token is named {name!r}; see: forecourt web token list")
    print_result(as_json, f"{name} is good for nothing any more.", {"removed": name})
