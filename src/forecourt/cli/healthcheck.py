"""`forecourt healthcheck`: the checks of `forecourt doctor` for containers, cron and whatever asks
by exit code.
"""

import sys

import click

from forecourt.cli.console import json_option, print_json, say, transaction


@click.command()
@click.argument("checks", nargs=-1)
@click.option(
    "--fail-on",
    type=click.Choice(["fail", "warn"]),
    default="fail",
    show_default=True,
    help="What makes it exit with 1.",
)
@json_option
def healthcheck(checks: tuple[str, ...], fail_on: str, as_json: bool) -> None:
    """Make all CHECKS, or those whose names begin so: `forecourt healthcheck workers clock queue`.

    One line a check, the worst first. Exit codes: 0 well, 1 a check has failed, 5 there is no such
    check, 69 the database does not answer, 75 somebody holds a lock that is needed.
    """
    from dataclasses import asdict

    from forecourt.app import load
    from forecourt.cli.errors import FAILED, NotFound
    from forecourt.doctor.check import House
    from forecourt.doctor.examination import examine, worst
    from forecourt.store import tasks

    app = load()
    with transaction() as tx:
        made = examine(House(tx, app, tasks.now(tx)))
    for name in checks:
        if not any(_is_meant(result.name, name) for result in made):
            raise NotFound(f"no check is named {name!r}; there is {', '.join(sorted(result.name for result in made))}")
    results = [result for result in made if not checks or any(_is_meant(result.name, name) for name in checks)]
    if as_json:
        print_json([asdict(result) for result in results])
    for result in [] if as_json else results:
        advice = f" {result.advice}" if result.status != "ok" and result.advice else ""
        limit = f" (limit: {result.limit})" if result.status != "ok" and result.limit else ""
        say(f"{result.status:<4} {result.name}: {result.found}{limit}.{advice}")
    if worst(results) in ("fail", fail_on):
        sys.exit(FAILED)


def _is_meant(name: str, asked: str) -> bool:
    return name == asked or name.startswith(f"{asked} ")
