"""`forecourt queue`: workers, and the calls that they work on. The commands stand in modules of
their own, by what they are for.
"""

import click

from forecourt.cli import calls, explaining, failures, fleet, work, workers, workflows
from forecourt.cli.console import Commands


@click.group(cls=Commands)
def queue() -> None:
    """Jobs and their workers."""


for command in (
    work.work,
    calls.dispatch,
    calls.size,
    calls.monitor,
    calls.show,
    calls.cancel,
    calls.run_now,
    failures.failed,
    failures.retry,
    failures.forget,
    failures.flush,
    failures.prune,
    explaining.explain_queue,
    fleet.pause,
    fleet.resume,
    fleet.clear,
    fleet.restart,
    workers.worker,
    workflows.workflow,
):
    queue.add_command(command)
