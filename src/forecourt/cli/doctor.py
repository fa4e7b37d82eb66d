"""`forecourt doctor`: is the house well."""

import sys
from dataclasses import asdict

import click

from forecourt.cli.asking import ask
from forecourt.cli.console import json_option, print_json, say

GLYPHS = {"ok": ("✓", "green"), "warn": ("▲", "yellow"), "fail": ("✕", "red")}


@click.command()
@click.option(
    "--fail-on",
    type=click.Choice(["fail", "warn"]),
    default="fail",
    show_default=True,
    help="What makes the exit code 3 instead of 0.",
)
@json_option
def doctor(fail_on: str, as_json: bool) -> None:
    """Check database, workers, clock, queues, tasks and disk, and say what to do about what is not
    well.
    """
    from forecourt.cli.errors import DEGRADED
    from forecourt.doctor.examination import worst
    from forecourt.web.api import house as api

    results = ask(api.doctor)
    if as_json:
        print_json([asdict(result) for result in results])
    else:
        width = min(40, max(len(result.name) for result in results))
        for result in results:
            glyph, colour = GLYPHS[result.status]
            say(f"{glyph} {result.name:<{width}}  {result.found}", fg=colour if result.status != "ok" else None)
            if result.status != "ok" and result.advice:
                say(f"  {'':<{width}}  {result.advice}")
    if worst(results) in ("fail", fail_on):
        sys.exit(DEGRADED)
