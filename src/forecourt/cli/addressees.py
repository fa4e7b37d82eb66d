"""`forecourt notices prefer|webhook|mailboxes`: how a user is told, and which mailboxes take no
mail.
"""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from forecourt.cli.console import ID, Commands, json_option, me, print_json, print_result, print_table, transaction

if TYPE_CHECKING:
    from psycopg import Connection

    from forecourt.marketplace.notice_preferences import Channel


@click.command()
@click.argument("user_id", metavar="USER", type=ID)
@click.argument("kind", required=False)
@click.argument("wanted", required=False, metavar="[now|digest|never]", type=click.Choice(["now", "digest", "never"]))
@click.option("--by", "channel", type=click.Choice(["mail", "push", "apprise"]), default="mail", show_default=True)
@json_option
def prefer(user_id: int, kind: str | None, wanted: str | None, channel: "Channel", as_json: bool) -> None:
    """What USER wants by mail, or by another channel: shown, or entered for a KIND of notice, or
    for '*', which is every other kind. A digest there is by mail alone.
    """
    from forecourt.cli.errors import NotFound
    from forecourt.marketplace.kinds import STORED
    from forecourt.marketplace.notice_preferences import EVERY, wishes
    from forecourt.marketplace.notice_preferences import prefer as enter
    from forecourt.store import audit

    if kind is not None and kind not in (*STORED, EVERY):
        raise click.UsageError(f"{kind!r} is not one of {', '.join(STORED)}, '*'")
    if kind is not None and wanted is None:
        raise click.UsageError("Say what is wanted as well: now, digest or never")
    with transaction() as tx:
        if kind is not None and wanted is not None:
            if not enter(tx, user_id, kind, wanted, channel):
                raise NotFound(f"there is no user {user_id}")
            audit.record(tx, me(), "notices prefer", {"user": user_id, "kind": kind, channel: wanted})
        found = wishes(tx, user_id, channel)
    if as_json:
        print_json(found)
        return
    empty = f"User {user_id} never said; everything is sent at once."
    print_table(["kind", channel], list(found.items()), empty=empty)


@click.command()
@click.argument("user_id", metavar="USER", type=ID)
@click.argument("url", required=False)
@click.option("--off", is_flag=True, help="Post no more.")
@json_option
def webhook(user_id: int, url: str | None, off: bool, as_json: bool) -> None:
    """Where the notices of USER are posted: shown, or URL from now on. The secret of the signature
    is printed once.
    """
    from forecourt.cli.errors import NotFound
    from forecourt.marketplace import webhooks
    from forecourt.store import audit

    if off and url:
        raise click.UsageError("Either a URL or --off")
    with transaction() as tx:
        if url:
            secret = webhooks.set_webhook(tx, user_id, url)
            if secret is None:
                raise NotFound(f"there is no user {user_id}")
            audit.record(tx, me(), "notices webhook", {"user": user_id, "url": url})
            words = f"The notices of user {user_id} are posted to {url}. They are signed with {secret}"
            print_result(as_json, words, {"user": user_id, "url": url, "secret": secret})
            return
        if off:
            tell_off(tx, "webhook", "posted", user_id, webhooks.remove_webhook(tx, user_id), as_json)
            return
        found = webhooks.webhook(tx, user_id)
    if found is None:
        print_result(as_json, f"User {user_id} has no webhook.", {"user": user_id, "url": None})
        return
    state = f"off since {found.off_since:%Y-%m-%d}: {found.why}" if found.off_since else "on"
    print_result(as_json, f"{found.url}, {state}", {"user": user_id} | asdict(found))


def tell_off(tx: "Connection[Any]", way: str, done: str, user_id: int, removed: bool, as_json: bool) -> None:
    """Note and say that a way to a user is gone, or that there was none."""
    from forecourt.store import audit

    audit.record(tx, me(), f"notices {way} --off", {"user": user_id}, int(removed))
    words = f"No more is {done}." if removed else f"Nothing was {done} before either."
    print_result(as_json, words, {"user": user_id, "removed": removed})


@click.group(cls=Commands)
def mailboxes() -> None:
    """The mailboxes that their server refused for good, to which nobody writes again."""


@mailboxes.command("list")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@json_option
def list_(limit: int, as_json: bool) -> None:
    """Which they are, since when, and what the server said."""
    from forecourt.marketplace.mailboxes import refused

    with transaction() as tx:
        rows = refused(tx, limit=limit)
    if as_json:
        print_json([dict(zip(("address", "at", "why"), row, strict=True)) for row in rows])
        return
    print_table(["address", "since", "why"], rows, empty="No mailbox was refused for good.")


@mailboxes.command()
@click.argument("address")
@json_option
def forgive(address: str, as_json: bool) -> None:
    """Write to ADDRESS again; its mails are sent anew with: forecourt notices resend."""
    from forecourt.cli.errors import NotFound
    from forecourt.marketplace import mailboxes
    from forecourt.store import audit

    with transaction() as tx:
        if not mailboxes.forgive(tx, address):
            raise NotFound(f"nothing is known against {address!r}; see: forecourt notices mailboxes list")
        audit.record(tx, me(), "notices mailboxes forgive", {"address": address})
    print_result(as_json, f"{address} gets mails again.", {"forgiven": address})
