"""`forecourt settings`: what the business decides, changed without a deploy."""

from dataclasses import asdict

import click

from forecourt.cli.console import Commands, json_option, me, print_json, print_result, print_table, transaction


@click.group(cls=Commands)
def settings() -> None:
    """The figures that the business decides: limits, days, hours."""


@settings.command("list")
@click.option("--changed", is_flag=True, help="Only those that differ from their defaults.")
@json_option
def list_(changed: bool, as_json: bool) -> None:
    """Every setting: its value, its default, and what it means."""
    from forecourt.marketplace.business_changes import listed

    with transaction() as tx:
        rows = [row for row in listed(tx) if row.changed or not changed]
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    print_table(
        ["name", "value", "default", "what it is"],
        [[row.name, row.value, row.default, row.words] for row in rows],
        empty="Every setting is at its default.",
    )


@settings.command("set")
@click.argument("name")
@click.argument("value")
@json_option
def set_(name: str, value: str, as_json: bool) -> None:
    """Set NAME to VALUE, from the next call on. Of wallets there are also wallet_limit.KWD and
    wallet_limit.provider.7.
    """
    from forecourt.marketplace.business_changes import change

    with transaction() as tx:
        row = change(tx, name, value, who=me())
    print_result(as_json, f"{row.name} is {row.value}: {row.words}.", asdict(row))


@settings.command()
@click.argument("name")
@json_option
def unset(name: str, as_json: bool) -> None:
    """Let the default of NAME hold again."""
    from forecourt.marketplace import business_changes

    with transaction() as tx:
        done = business_changes.unset(tx, name, who=me())
    words = f"{name} is at its default again." if done else f"{name} was at its default already."
    print_result(as_json, words, {"name": name, "unset": done})
