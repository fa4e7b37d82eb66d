"""`forecourt notices`: what was told to whom, how its mail looks, and sending one again."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from forecourt.cli.addressees import mailboxes, prefer, webhook
from forecourt.cli.channels import apprise, bounced, push
from forecourt.cli.console import ID, Commands, json_option, me, print_json, print_result, print_table, say, transaction

if TYPE_CHECKING:
    from uuid import UUID

    from forecourt.marketplace.letters import Letter

STATUSES = ["pending", "sending", "sent", "filed", "suppressed", "failed", "digest"]
KINDS = ["sponsorship_ending", "sponsorship_expired", "low_wallet_balance", "photos_refused", "digest"]


@click.group(cls=Commands)
def notices() -> None:
    """Notices and their mails."""


for command in (prefer, webhook, push, apprise, mailboxes, bounced):
    notices.add_command(command)


@notices.command("list")
@click.option("--status", type=click.Choice(STATUSES), help="Only with this state of the mail.")
@click.option("--user", "user_id", type=ID, help="Only to this user, by id.")
@click.option("--kind", type=click.Choice(KINDS), help="Only of this kind.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@json_option
def list_(status: str | None, user_id: int | None, kind: str | None, limit: int, as_json: bool) -> None:
    """What was told, newest first, and what became of its mail."""
    from forecourt.database import session
    from forecourt.marketplace.told import told

    with session() as tx:
        rows = told(tx, status=status, user_id=user_id, kind=kind, limit=limit)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    print_table(
        ["id", "told at", "user", "kind", "mail", "why"],
        [[str(r.id), r.created_at, r.user_id, r.kind, r.mail_status, r.mail_reason or ""] for r in rows],
        empty="No notices.",
    )


@notices.command()
@click.option("--kind", type=click.Choice(KINDS), help="Only this kind.")
@click.option("--language", type=click.Choice(["en", "ar"]), help="Only this language.")
@click.option(
    "--to", "folder", type=click.Path(file_okay=False, path_type=Path), help="Write .html and .txt into this folder."
)
def preview(kind: str | None, language: Literal["en", "ar"] | None, folder: Path | None) -> None:
    """Render the mails with sample facts, by the templates of FORECOURT_MAIL_TEMPLATES where there
    are some. Nothing is sent.
    """
    from forecourt.marketplace.told import previews

    for each, spoken, letter in previews(kind, language):
        if folder is None:
            # With its marks of direction: the words are ours.
            click.secho(f"{each} ({spoken}): {letter.subject}", bold=True)
            click.echo(letter.text)
            continue
        folder.mkdir(parents=True, exist_ok=True)
        page = folder / f"{each}.{spoken}.html"
        page.write_text(_with_pictures(letter), encoding="utf-8")
        page.with_suffix(".txt").write_text(f"{letter.subject}\n\n{letter.text}", encoding="utf-8")
        say(str(page))


@notices.command()
@click.argument("ids", nargs=-1, type=click.UUID)
@click.option("--status", type=click.Choice(["filed", "suppressed", "failed"]), help="All whose mail ended like this.")
@click.option("--dry-run", is_flag=True, help="Only say which would be sent again.")
@json_option
def resend(ids: "Sequence[UUID]", status: str | None, dry_run: bool, as_json: bool) -> None:
    """Send the mails of the notices IDS again, or all with --status, that were filed, suppressed or
    failed.
    """
    from forecourt.database import in_transaction_of, session
    from forecourt.marketplace.told import resend as again
    from forecourt.store import audit

    if bool(ids) == bool(status):
        raise click.UsageError("Name the notices by their ids, or give --status")
    with session() as tx:
        chosen = again(tx, ids, status=status)
        _require(ids, chosen)
        target: dict[str, Any] = {"ids": chosen} if ids else {"status": status}
        audit.record(in_transaction_of(tx), me(), "notices resend", target, len(chosen))
        if dry_run:
            tx.rollback()
    words = "would be sent again" if dry_run else "are on their way"
    print_result(as_json, f"{len(chosen)} mails {words}.", {"notices": chosen, "dry_run": dry_run})


@notices.command("log")
@click.argument("notice", metavar="[ID]", required=False, type=click.UUID)
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@json_option
def log_(notice: "UUID | None", limit: int, as_json: bool) -> None:
    """Each try to deliver a notice, newest first; of the notice ID, or of all."""
    from forecourt.marketplace.deliveries import logged

    with transaction() as tx:
        rows = logged(tx, notice, limit=limit)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    print_table(
        ["at", "notice", "user", "kind", "channel", "outcome", "why"],
        [[r.at, str(r.notification_id), r.user_id, r.kind, r.channel, r.outcome, r.detail or ""] for r in rows],
        empty="No deliveries.",
    )


def _with_pictures(letter: "Letter") -> str:
    """The HTML with its pictures inside, as a browser shows it."""
    page = letter.html
    for name, png in letter.pictures.items():
        page = page.replace(f"cid:{name}", f"data:image/png;base64,{b64encode(png).decode()}")
    return page


def _require(ids: "Sequence[UUID]", chosen: "Sequence[UUID]") -> None:
    from forecourt.cli.errors import NotFound

    if missing := [str(id) for id in ids if id not in chosen]:
        raise NotFound(
            f"no notice whose mail was filed, suppressed or failed has the id {', '.join(missing)}; see: forecourt notices list"
        )
