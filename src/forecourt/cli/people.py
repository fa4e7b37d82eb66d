"""`forecourt web user add|list|remove`: who may look at the pages from other machines, and do
what.
"""

import sys
from dataclasses import asdict

import click

from forecourt.cli.console import Commands, json_option, me, print_json, print_result, print_table, transaction


@click.group(cls=Commands)
def user() -> None:
    """People who may sign in to the pages. As soon as there is one, everybody has to."""


@user.command()
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(["viewer", "operator", "admin"]),
    default="operator",
    show_default=True,
    help="viewer reads; operator also retries, cancels, pauses, runs; admin also removes.",
)
@json_option
def add(name: str, role: str, as_json: bool) -> None:
    """Let NAME sign in. The password is asked for, or read from standard input. For somebody who is
    known already, both change.
    """
    from forecourt.operations import people

    if sys.stdin is not None and sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n") if sys.stdin is not None else ""
    with transaction() as tx:
        new = people.add(tx, name, role, password, who=me())
    words = (
        f"{name} may sign in as {role}." if new else f"{name} is {role} now, with the new password; old sessions ended."
    )
    print_result(as_json, words, {"name": name, "role": role, "new": new})


@user.command("list")
@json_option
def list_(as_json: bool) -> None:
    """Everybody who may sign in."""
    from forecourt.store import people

    with transaction() as tx:
        rows = people.listed(tx)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    print_table(
        ["name", "role", "since", "signed in"],
        [[row.name, row.role, row.created_at, row.seen_at] for row in rows],
        empty="Nobody: only this machine is let in, and not asked. Add somebody: forecourt web user add NAME",
    )


@user.command()
@click.argument("name")
@json_option
def remove(name: str, as_json: bool) -> None:
    """Let NAME sign in no more, and end their sessions."""
    from forecourt.cli.errors import NotFound
    from forecourt.operations import people

    with transaction() as tx:
        if not people.remove(tx, name, who=me()):
            raise NotFound(f"nobody is named {name!r}; see: forecourt web user list")
    print_result(as_json, f"{name} may not sign in any more.", {"removed": name})
