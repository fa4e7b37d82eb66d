"""`forecourt schedule explain`: why a task runs, ran or does not run."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from forecourt.cli.console import INSTANT, json_option, print_json, relative, say, transaction

if TYPE_CHECKING:
    from forecourt.schedule.explanation import Explanation
    from forecourt.schedule.task import Task

SIGNS = {True: "✓", False: "✕", None: " "}


@click.command()
@click.argument("name")
@click.option("--at", type=INSTANT, help="An instant, past or to come, instead of the next due times.")
@click.option("--count", type=click.IntRange(1, 100), default=1, show_default=True, help="How many due times.")
@json_option
def explain(name: str, at: datetime | None, count: int, as_json: bool) -> None:
    """Why task NAME will run, or not: zone and shifts, window, environment, pause, condition,
    overlap, queue and workers.
    """
    from forecourt.app import load
    from forecourt.schedule.explanation import at_instant, upcoming
    from forecourt.settings import settings
    from forecourt.store import tasks

    app, environment = load(), settings().environment
    with transaction() as tx:
        task = app.schedule(tx)[name]
        now = tasks.now(tx)
        if at is None:
            found = upcoming(tx, task, now, environment=environment, ask=True, count=count)
        else:
            found = at_instant(tx, task, at, now, environment=environment, ask=True)
    if as_json:
        print_json([_plain(one) for one in found])
        return
    say(f"{task.name}: {task.sentence} ({task.cron}), {task.zone.key}", bold=True)
    for one in found:
        _print(task, one, now)


def _print(task: "Task", one: "Explanation", now: datetime) -> None:
    when = f"{one.at.astimezone(task.zone):%a %Y-%m-%d %H:%M:%S %Z}"
    say(f"\n{when}, {relative(one.at, now)}: {one.verdict}", bold=True)
    width = max(len(finding.about) for finding in one.findings)
    for finding in one.findings:
        say(f"  {SIGNS[finding.allows]} {finding.about:<{width}}  {finding.words}")


def _plain(one: "Explanation") -> dict[str, Any]:
    findings = [{"about": each.about, "allows": each.allows, "words": each.words} for each in one.findings]
    return {"at": one.at, "is_due": one.is_due, "verdict": one.verdict, "findings": findings}
