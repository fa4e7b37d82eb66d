"""`forecourt queue workflow list|show|cancel|retry`: calls that wait for several others."""

from dataclasses import asdict

import click

from forecourt.cli.asking import ask
from forecourt.cli.console import ID, Commands, json_option, print_json, print_result, print_table


@click.group(cls=Commands)
def workflow() -> None:
    """Workflows: how far they are; cancel them, or let them go on from where they stopped."""


@workflow.command("list")
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="How many.")
@json_option
def list_(limit: int, as_json: bool) -> None:
    """The latest workflows."""
    from forecourt.web.api import workflows as api

    found = ask(api.latest, limit=limit)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    print_table(
        ["workflow", "name", "dispatched", "steps", "succeeded", "failed", "state"],
        [
            [
                one.id, one.name or "–", f"{one.created_at.astimezone():%Y-%m-%d %H:%M}", one.steps, one.succeeded, one.failed,
                one.state,
            ]
            for one in found
        ],
        empty="No workflows.",
    )  # fmt: skip


@workflow.command()
@click.argument("id", type=ID)
@json_option
def show(id: int, as_json: bool) -> None:
    """The steps of workflow ID."""
    from forecourt.web.api import workflows as api

    found = ask(api.show, id=id)
    if as_json:
        print_json([asdict(step) for step in found])
        return
    print_table(
        ["step", "job", "after", "state", "call"],
        [
            [step.step, step.job, ", ".join(map(str, step.after)) or "–", step.state, step.call_id or "–"]
            for step in found
        ],
        empty="",
    )


@workflow.command()
@click.argument("id", type=ID)
@json_option
def cancel(id: int, as_json: bool) -> None:
    """Begin no further step of workflow ID, and end the calls of those that were begun."""
    from forecourt.web.api import workflows as api

    count = ask(api.cancel, workflow=id).calls
    print_result(
        as_json, f"Workflow {id} is cancelled, and {count} of its calls.", {"workflow": id, "cancelled": count}
    )


@workflow.command()
@click.argument("id", type=ID)
@json_option
def retry(id: int, as_json: bool) -> None:
    """Let workflow ID go on from where it stopped: its failed, cancelled and forgotten steps run
    again.
    """
    from forecourt.web.api import workflows as api

    count = ask(api.retry, workflow=id).calls
    print_result(as_json, f"Workflow {id} goes on with {count} calls.", {"workflow": id, "live": count})
