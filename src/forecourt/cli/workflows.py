"""`forecourt queue workflow list|show|cancel|retry`: calls that wait for several others."""

from typing import TYPE_CHECKING

import click

from forecourt.cli.console import (
    Commands,
    json_option,
    me,
    print_json,
    print_result,
    print_table,
    relative,
    transaction,
)

if TYPE_CHECKING:
    from forecourt.store.workflow_progress import Workflow

WORKFLOW_ID = click.IntRange(1, 2**63 - 1)


@click.group(cls=Commands)
def workflow() -> None:
    """Workflows: how far they are; cancel them, or let them go on from where they stopped."""


@workflow.command("list")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many.")
@json_option
def list_(limit: int, as_json: bool) -> None:
    """The latest workflows."""
    from forecourt.store import tasks, workflow_progress

    with transaction() as tx:
        found, now = workflow_progress.latest(tx, limit), tasks.now(tx)
    if as_json:
        print_json([one._asdict() for one in found])
        return
    print_table(
        ["workflow", "name", "dispatched", "steps", "succeeded", "failed", "state"],
        [
            [
                str(one.id),
                one.name or "–",
                relative(one.created_at, now),
                str(one.steps),
                str(one.succeeded),
                str(one.failed),
                _state(one),
            ]
            for one in found
        ],
        empty="No workflows.",
    )


def _state(one: "Workflow") -> str:
    if one.cancelled_at is not None:
        return "cancelled"
    if one.succeeded == one.steps:
        return "done"
    return "stopped" if one.failed else "going on"


@workflow.command()
@click.argument("id", type=WORKFLOW_ID)
@json_option
def show(id: int, as_json: bool) -> None:
    """The steps of workflow ID."""
    from forecourt.cli.errors import NotFound
    from forecourt.store import workflow_progress

    with transaction() as tx:
        found = workflow_progress.steps(tx, id)
    if not found:
        raise NotFound(f"there is no workflow {id}. See: forecourt queue workflow list")
    if as_json:
        print_json([step._asdict() for step in found])
        return
    print_table(
        ["step", "job", "after", "state", "call"],
        [
            [
                str(step.step),
                step.job,
                ", ".join(map(str, step.after)) or "–",
                step.state,
                "–" if step.call_id is None else str(step.call_id),
            ]
            for step in found
        ],
        empty="",
    )


@workflow.command()
@click.argument("id", type=WORKFLOW_ID)
@json_option
def cancel(id: int, as_json: bool) -> None:
    """Begin no further step of workflow ID, and end the calls of those that were begun."""
    from forecourt.cli.errors import NotFound
    from forecourt.operations.workflows import NoSuchWorkflow, cancel_workflow

    try:
        with transaction() as tx:
            count = cancel_workflow(tx, id, who=me())
    except NoSuchWorkflow as error:
        raise NotFound(str(error)) from None
    print_result(
        as_json, f"Workflow {id} is cancelled, and {count} of its calls.", {"workflow": id, "cancelled": count}
    )


@workflow.command()
@click.argument("id", type=WORKFLOW_ID)
@json_option
def retry(id: int, as_json: bool) -> None:
    """Let workflow ID go on from where it stopped: its failed, cancelled and forgotten steps run again."""
    from forecourt.cli.errors import NotFound
    from forecourt.operations.workflows import NoSuchWorkflow, retry_workflow

    try:
        with transaction() as tx:
            count = retry_workflow(tx, id, who=me())
    except NoSuchWorkflow as error:
        raise NotFound(str(error)) from None
    print_result(as_json, f"Workflow {id} goes on with {count} calls.", {"workflow": id, "live": count})
