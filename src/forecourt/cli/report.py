"""`forecourt report`: the night in a terminal, for whoever slept."""

from dataclasses import asdict
from datetime import date, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from forecourt.cli.asking import ask
from forecourt.cli.console import duration, json_option, print_json, print_table, say

if TYPE_CHECKING:
    from forecourt.web.api.night import Row, Standing

MOST_TROUBLES = 10
"""Troubles that are named beside the worst."""


@click.command()
@click.option("--date", "day", type=click.DateTime(["%Y-%m-%d"]), help="Of this business day instead of today.")
@json_option
def report(day: datetime | None, as_json: bool) -> None:
    """What each duty of the night did, what was late, slow or failed, which calls failed, and what
    is still to come.
    """
    from forecourt.web.api import night as api

    found = ask(api.night, date=None if day is None else day.date())
    if as_json:
        print_json(asdict(found))
        return
    if found.standing is not None:
        _say(found.standing)
    _print(found.duties, found.date, ZoneInfo(found.timezone))
    if found.failures:
        say("")
        print_table(
            ["failed", "job", "calls", "what was wrong"],
            [[kind.error, kind.job, kind.calls, kind.message[:80]] for kind in found.failures],
            empty="",
        )


def _say(standing: "Standing") -> None:
    colour = {"late": "yellow", "failed": "red"}[standing.troubles[0].tone] if standing.troubles else "green"
    say(standing.sentence, bold=True, fg=colour)
    say(standing.under)
    others = standing.troubles[1:]
    for trouble in others[:MOST_TROUBLES]:
        say(f"Also: {trouble.words}.")
    if len(others) > MOST_TROUBLES:
        say(f"And {len(others) - MOST_TROUBLES} more: forecourt doctor")
    say("")


def _print(rows: "list[Row]", day: date, zone: ZoneInfo) -> None:
    def long(seconds: float | None) -> str | None:
        return None if seconds is None else duration(seconds)

    print_table(
        ["due", "duty", "state", "took", "usually", "what it did"],
        [
            [
                None if row.due is None else f"{row.due.astimezone(zone):%H:%M}",
                row.task, row.state, long(row.took), long(row.usually), " ".join(row.did.split())[:100],
            ]
            for row in rows
        ],
        empty=f"Nothing was due on {day}, and nothing ran.",
    )  # fmt: skip
