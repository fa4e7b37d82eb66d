"""`forecourt analytics report|hours|events|conversion|trending|reconcile`: what the marketplace's
events say.
"""

import csv
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import click

from forecourt.cli.console import ID, json_option, me, print_json, print_table, say

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from forecourt.marketplace.reports import Report

days_option = click.option(
    "--days", type=click.IntRange(1, 3_650), default=30, show_default=True, help="So many, with today."
)
limit_option = click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)
csv_option = click.option("--csv", "as_csv", is_flag=True, help="Print CSV for spreadsheets.")

STEPS = "▁▂▃▄▅▆▇█"
CHARTED = ("views", "visitors", "contacts", "favorites", "shares")


@click.command()
@click.argument("kind", metavar="listing|provider", type=click.Choice(["listing", "provider"]))
@click.argument("id", type=ID)
@days_option
@json_option
@csv_option
def report(kind: str, id: int, days: int, as_json: bool, as_csv: bool) -> None:
    """What a listing, or all listings of a provider, got: charts of its days, or all figures as
    JSON or CSV.
    """
    from forecourt.cli.errors import NotFound
    from forecourt.marketplace import reports
    from forecourt.settings import settings

    with _looking() as tx:
        try:
            found = reports.report(tx, kind, id, days=days, zone=settings().timezone)
        except reports.NoSuchSubject as unknown:
            raise NotFound(str(unknown)) from None
    if as_json:
        print_json(asdict(found) | {"views": found.views, "contacts": found.contacts})
    elif as_csv:
        _csv(["date", *CHARTED], [[day.date, *(getattr(day, name) for name in CHARTED)] for day in found.days])
    else:
        _draw(found)


@click.command()
@click.option("--days", type=click.IntRange(1, 366), default=2, show_default=True, help="So many, with today.")
@json_option
@csv_option
def hours(days: int, as_json: bool, as_csv: bool) -> None:
    """What all listings together got by the hour: a chart a day, or all figures as JSON or CSV."""
    from itertools import groupby

    from forecourt.marketplace import reports
    from forecourt.settings import settings

    with _looking() as tx:
        found = reports.hours(tx, days=days, zone=settings().timezone)
    if as_json or as_csv:
        _show([row._asdict() for row in found], ["hour", "views", "contacts", "events"], as_json, as_csv, empty="")
        return
    for day, rows in groupby(found, key=lambda row: row.hour.astimezone(settings().zone).date()):
        views, contacts = zip(*[(row.views, row.contacts) for row in rows], strict=True)
        say(f"{day:%a %d %b}  {spark(views):<25} {sum(views):>9,} views {sum(contacts):>7,} contacts")


@click.command()
@click.option("--listing", type=ID, required=True, help="Whose events.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True)
@json_option
@csv_option
def events(listing: int, limit: int, as_json: bool, as_csv: bool) -> None:
    """A listing's last events that are not archived, the newest first. Addresses are truncated, as
    in the archive.
    """
    from forecourt.marketplace import reports

    with _looking() as tx:
        rows = [row._asdict() for row in reports.events(tx, listing, limit=limit)]
    _show(rows, ["id", "at", "event", "visitor"], as_json, as_csv, empty=f"There are no events of listing {listing}.")


@click.command()
@click.option("--by", type=click.Choice(["listing", "provider", "make"]), default="listing", show_default=True)
@days_option
@limit_option
@json_option
@csv_option
def conversion(by: str, days: int, limit: int, as_json: bool, as_csv: bool) -> None:
    """Contacts for each view, the best first, by what can be said with so few views. A make is the
    first word of a title.
    """
    from forecourt.marketplace import rankings
    from forecourt.settings import settings

    with _looking() as tx:
        found = rankings.conversion(tx, by, days=days, limit=limit, zone=settings().timezone)
    rows = [row._asdict() for row in found]
    if not (as_json or as_csv):
        rows = [row | {"rate": f"{100 * row['rate']:.1f} %"} for row in rows]
    _show(rows, ["id", by, "views", "contacts", "rate"], as_json, as_csv, empty="There were no views.")


@click.command()
@click.option("--days", type=click.IntRange(1, 365), default=3, show_default=True, help="The last so many whole days.")
@click.option(
    "--against", type=click.IntRange(1, 3_650), default=28, show_default=True, help="So many days before those."
)
@limit_option
@json_option
@csv_option
def trending(days: int, against: int, limit: int, as_json: bool, as_csv: bool) -> None:
    """The listings that are looked at more than they were."""
    from forecourt.marketplace import rankings
    from forecourt.settings import settings

    with _looking() as tx:
        found = rankings.trending(tx, days=days, against=against, limit=limit, zone=settings().timezone)
    _show(
        [row._asdict() for row in found],
        ["id", "listing", "views", "expected", "times"],
        as_json,
        as_csv,
        empty="No listing is looked at more than it was.",
    )


@click.command()
@click.option("--fix", is_flag=True, help="Raise the counters that are too low.")
@json_option
def reconcile(fix: bool, as_json: bool) -> None:
    """Compare the counters of views with the stats. Exit code 3 when some cannot be right."""
    from forecourt.cli.errors import Degraded
    from forecourt.database import in_transaction_of, session
    from forecourt.marketplace import rankings
    from forecourt.marketplace.analytics import aggregate_daily_analytics, aggregate_hourly_analytics
    from forecourt.store import audit

    with session() as tx:
        aggregate_daily_analytics(session=tx)
        aggregate_hourly_analytics(session=tx)
    with session() as tx:
        found = rankings.disagreeing(tx)
        raised = rankings.mend(tx, found) if fix else 0
        if raised:
            audit.record(in_transaction_of(tx), me(), "analytics reconcile", {"raised": raised}, raised)
    if as_json:
        print_json({"listings": [row._asdict() for row in found], "raised": raised})
    elif found:
        print_table(
            ["id", "listing", "counter", "still to count", "at least", "at most"],
            [list(row) for row in found[:50]],
            empty="",
        )
    if not as_json:
        say(f"{len(found)} counters cannot be right by the stats, {raised} were raised.", err=True)
    if len(found) > raised:
        raise Degraded(
            f"{len(found) - raised} counters are left: `--fix` raises those that are too low; one that is too high may know of "
            "views from before there were events"
        )


@contextmanager
def _looking() -> "Iterator[Session]":
    """A session that only reads, from the standby where there is one. How old that is is said."""
    from sqlalchemy.orm import Session

    from forecourt.database.replica import reading
    from forecourt.settings import settings

    with reading() as seen, Session(seen.connection) as tx:
        yield tx
    if seen.as_of is not None:
        say(f"From the standby, as of {seen.as_of.astimezone(settings().zone):%Y-%m-%d %H:%M:%S}.", err=True)


def _draw(found: "Report") -> None:
    of = f", {found.provider}" if found.provider else ""
    say(f"{found.kind.title()} {found.id}: {found.name}{of}", bold=True)
    first, last = found.days[0].date, found.days[-1].date
    say(f"{first:%d %b %Y} to {last:%d %b %Y}, {len(found.days)} days; the last is today, so far\n")
    for name in CHARTED:
        values = [getattr(day, name) for day in found.days]
        total = "" if name == "visitors" else f"{sum(values):>9,} in all"
        say(f"{name:<10} {spark(values)} {max(values):>7,} at most a day{total}")
    rate = f"{100 * found.contacts / found.views:.1f} %" if found.views else "–"
    say(f"\n{found.views:,} views ({_change(found.views, found.views_before)})")
    say(
        f"{found.contacts:,} contacts ({_change(found.contacts, found.contacts_before)}), {rate} of the views led to one"
    )
    say(f"{found.views_count:,} views counted since ever")


def spark(values: Sequence[int]) -> str:
    """A chart of one line: eight heights, and a dot where there was nothing. Of many days, each
    sign is the mean of some.
    """
    width = 60
    if len(values) > width:
        cuts = [len(values) * n // width for n in range(width + 1)]
        means = [sum(values[begin:end]) / (end - begin) for begin, end in pairwise(cuts)]
    else:
        means = [float(value) for value in values]
    top = max(means) or 1.0
    return "".join("·" if mean == 0 else STEPS[min(7, int(mean / top * 8))] for mean in means)


def _change(now: int, before: int) -> str:
    if not before:
        return "none in the days before" if now else "as before"
    return f"{100 * (now - before) / before:+.0f} % on the days before"


def _show(rows: Sequence[dict[str, Any]], headings: Sequence[str], as_json: bool, as_csv: bool, *, empty: str) -> None:
    if as_json:
        print_json(rows)
    elif as_csv:
        _csv(headings, [list(row.values()) for row in rows])
    else:
        print_table(headings, [list(row.values()) for row in rows], empty=empty)


def _csv(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    out = csv.writer(sys.stdout)
    out.writerow(headings)
    out.writerows([[_unharmed(value) for value in row] for row in rows])


def _unharmed(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula becomes a text there too."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@")) else value
