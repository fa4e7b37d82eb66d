"""`forecourt schedule explain`: why a task runs, ran or does not run."""

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from forecourt.cli.asking import ask
from forecourt.cli.console import INSTANT, json_option, print_json, relative, say

if TYPE_CHECKING:
    from forecourt.web.api.stored import Explained

SIGNS = {True: "✓", False: "✕", None: " "}


@click.command()
@click.argument("name")
@click.option("--at", type=INSTANT, help="An instant, past or to come, instead of the next due times.")
@click.option("--count", type=click.IntRange(1, 100), default=1, show_default=True, help="How many due times.")
@json_option
def explain(name: str, at: datetime | None, count: int, as_json: bool) -> None:
    """Why task NAME will run, or not: zone and shifts, window, environment, pause, condition,
    overlap, queue and workers. A server that is asked with --url names conditions, and asks none.
    """
    from forecourt.web.api import stored as api

    found = ask(api.explain, task=name, at=at, count=count)
    if as_json:
        print_json([asdict(one) for one in found.instants])
        return
    say(f"{found.task}: {found.sentence} ({found.cron}), {found.timezone}", bold=True)
    for one in found.instants:
        _print(one, ZoneInfo(found.timezone), found.now)


def _print(one: "Explained", zone: ZoneInfo, now: datetime) -> None:
    when = f"{one.at.astimezone(zone):%a %Y-%m-%d %H:%M:%S %Z}"
    say(f"\n{when}, {relative(one.at, now)}: {one.verdict}", bold=True)
    width = max(len(finding.about) for finding in one.findings)
    for finding in one.findings:
        say(f"  {SIGNS[finding.allows]} {finding.about:<{width}}  {finding.words}")
