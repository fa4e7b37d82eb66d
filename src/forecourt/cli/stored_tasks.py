"""`forecourt schedule add`, `edit` and `remove`: tasks that change while the application runs."""

import json
import shlex
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from forecourt.cli.asking import ask
from forecourt.cli.console import json_option, print_result

if TYPE_CHECKING:
    from forecourt.web.api.stored import Stored


class Arguments(click.ParamType[dict[str, Any]]):
    """A job's arguments as a JSON object."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        """Read them. Raises BadParameter."""
        if isinstance(value, dict):
            return value
        try:
            found = json.loads(value)
        except ValueError as mistake:
            self.fail(f"{value!r} is no JSON: {mistake}", param, ctx)
        if not isinstance(found, dict):
            self.fail(f"""{value!r} is not a JSON object such as '{{"listing_id": 7}}'""", param, ctx)
        return found


cron_help = "Five fields, or a nickname such as @daily."
args_option = click.option("--args", type=Arguments(), help="The job's arguments, a JSON object.")
timezone_option = click.option("--timezone", help="An IANA zone instead of the timetable's.")
queue_option = click.option("--queue", help="A queue instead of the job's own.")
priority_option = click.option("--priority", type=int, help="Lower first, instead of the job's own.")
describe_option = click.option("--describe", "description", help="What it is for.")


@click.command()
@click.argument("job")
@click.option("--cron", required=True, help=cron_help)
@click.option("--name", help="The task's name instead of the job's.")
@args_option
@timezone_option
@queue_option
@priority_option
@describe_option
@json_option
def add(job: str, name: str | None, as_json: bool, **fields: Any) -> None:
    """Add a task that runs JOB, beside those of the code; every clock takes it up at once."""
    from forecourt.web.api import stored as api

    given = {field: value for field, value in fields.items() if value is not None}
    _print(as_json, "added", ask(api.add, job=job, name=name, **given))


@click.command()
@click.argument("name")
@click.option("--cron", help=cron_help)
@args_option
@timezone_option
@queue_option
@priority_option
@describe_option
@json_option
def edit(name: str, as_json: bool, **fields: Any) -> None:
    """Change a task that was added by `add`. What is not given stays; --args takes the place of all
    arguments, and an empty --queue is the job's own again."""
    from forecourt.web.api import stored as api

    changes = {field: value for field, value in fields.items() if value is not None}
    if not changes:
        raise click.UsageError("Nothing to change: give --cron, --args, --timezone, --queue, --priority or --describe")
    _print(as_json, "changed", ask(api.edit, task=name, **changes))


@click.command()
@click.argument("name")
@json_option
def remove(name: str, as_json: bool) -> None:
    """Remove a task that was added by `add`. What it has enqueued still runs; its history stays."""
    from forecourt.web.api import stored as api

    task = ask(api.remove, task=name)
    again = shlex.join(
        ["forecourt", "schedule", "add", task.job, "--cron", task.cron, "--name", name]
        + (["--args", json.dumps(task.args)] if task.args else [])
        + [word for option in ("timezone", "queue", "priority") if (value := getattr(task, option)) is not None
           for word in (f"--{option}", str(value))]
        + (["--describe", task.description] if task.description else [])
    )  # fmt: skip
    print_result(as_json, f"{name} removed. Undo: {again}", {"task": name, "undo": again})


def _print(as_json: bool, became: str, task: "Stored") -> None:
    zone = ZoneInfo(task.timezone)
    due = f"{task.next_due.astimezone(zone):%a %Y-%m-%d %H:%M %Z}"
    words = f"{task.task} {became}: {task.sentence} ({task.timezone}), next {due}."
    print_result(as_json, words, {"task": task.task, "cron": task.cron, "next_due": task.next_due})
