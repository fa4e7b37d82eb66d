"""`forecourt analytics`: the marketplace's events, by hand."""

from datetime import datetime

import click

from forecourt.cli.analytics_reports import conversion, events, hours, reconcile, report, trending
from forecourt.cli.archives import list_, restore, verify
from forecourt.cli.console import Commands, confirm, json_option, print_json, say, yes_option


@click.group(cls=Commands)
def analytics() -> None:
    """The marketplace's events."""


@analytics.group(cls=Commands, invoke_without_command=True, subcommand_metavar="[COMMAND]")
@click.option(
    "--days",
    type=click.IntRange(min=1, max=36_500),
    help="Older than so many days.  [default: the setting archive_days, 180]",
)
@click.option("--dry-run", is_flag=True, help="Only say how many would go.")
@yes_option
@json_option
@click.pass_context
def archive(ctx: click.Context, days: int | None, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Move old events to Parquet, and delete them once the files were read back and compared."""
    if ctx.invoked_subcommand is not None:
        return
    from forecourt.marketplace.archive import archive_old_analytics, cutoff_of, plan

    say(f"Archiving analytics older than {cutoff_of(days):%Y-%m-%d}", err=True)
    count = plan(days)
    if dry_run:
        if as_json:
            print_json({"events": count, "dry_run": True})
        else:
            say(f"{count} analytics records would be archived and deleted.")
        return
    if not count:
        say("No old analytics to archive.", err=True)
        if as_json:
            print_json({"events": 0, "files": 0, "bytes": 0})
        return
    confirm(f"This will delete {count} analytics records. Continue?", yes=yes, default=True)
    done = archive_old_analytics(days)
    if as_json:
        print_json(done)
        return
    say(f"Successfully archived and deleted {done['events']} analytics records.")


for command in (list_, verify, restore):
    archive.add_command(command)

for command in (report, hours, events, conversion, trending, reconcile):
    analytics.add_command(command)


@analytics.command()
@click.option(
    "--day", type=click.DateTime(["%Y-%m-%d"]), help="A business day, YYYY-MM-DD; yesterday and what is owed if absent."
)
@json_option
def aggregate(day: datetime | None, as_json: bool) -> None:
    """Roll events up into daily stats. Doing it again changes nothing."""
    from forecourt.database import session
    from forecourt.marketplace.analytics import aggregate_daily_analytics

    with session() as opened:
        done = aggregate_daily_analytics(opened, None if day is None else f"{day:%Y-%m-%d}")
    if as_json:
        print_json(done)
        return
    say(", ".join(f"{value} {name.replace('_', ' ')}" for name, value in done.items()))
