"""`forecourt schedule explain`: why a task runs, ran or does not run; `forecourt queue explain`:
why calls wait.
"""

from collections.abc import Sequence
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


@click.command("explain")
@click.argument("name")
@json_option
def explain_queue(name: str, as_json: bool) -> None:
    """Why the calls of queue NAME wait: pause, workers, what comes before them, slots, limits,
    pace.
    """
    from forecourt.web.api import queues as api

    found = ask(api.explain, queue=name)
    if as_json:
        print_json(asdict(found))
        return
    say(f"{found.queue}: {found.verdict}", bold=True)
    _print_findings([(one.about, one.words, one.well) for one in found.findings])
    if found.advice:
        say(f"\n{found.advice}")


def _print(one: "Explained", zone: ZoneInfo, now: datetime) -> None:
    when = f"{one.at.astimezone(zone):%a %Y-%m-%d %H:%M:%S %Z}"
    say(f"\n{when}, {relative(one.at, now)}: {one.verdict}", bold=True)
    _print_findings([(finding.about, finding.words, finding.allows) for finding in one.findings])


def _print_findings(findings: Sequence[tuple[str, str, bool | None]]) -> None:
    width = max(len(about) for about, _, _ in findings)
    for about, words, well in findings:
        say(f"  {SIGNS[well]} {about:<{width}}  {words}")
