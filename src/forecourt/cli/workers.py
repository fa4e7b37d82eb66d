"""`forecourt queue worker list|quiet|resume|stop`: workers, and what is asked of one."""

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from forecourt.cli.asking import ask
from forecourt.cli.console import ID, Commands, duration, json_option, print_json, print_table, say

if TYPE_CHECKING:
    from forecourt.store.activity import Worker
    from forecourt.web.api.fleet import Asked


@click.group(cls=Commands)
def worker() -> None:
    """Workers: which there are; let one finish and claim nothing more, go on, or stop."""


@worker.command("list")
@json_option
def list_(as_json: bool) -> None:
    """Every worker: where it runs, how busy it is, and how it stands."""
    from forecourt.web.api import fleet as api

    found = ask(api.workers)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    print_table(
        ["worker", "host", "process", "busy", "memory", "queues", "version", "heard of", "state"],
        [
            [
                one.id, one.host, one.pid, f"{one.busy} of {one.slots}",
                "–" if one.memory is None else f"{one.memory / 2**20:.0f} MiB",
                ",".join(one.queues), one.version, f"{duration(one.silent)} ago", _state(one),
            ]
            for one in found
        ],
        empty="No worker is running. Start one: forecourt queue work",
    )  # fmt: skip


@worker.command()
@click.argument("id", type=ID)
def quiet(id: int) -> None:
    """Let worker ID finish what it runs and claim nothing more, until it is resumed or stopped."""
    from forecourt.web.api import fleet as api

    _ask(api.quiet, id, f"Worker {id} finishes what it runs, and claims nothing more.")


@worker.command()
@click.argument("id", type=ID)
def resume(id: int) -> None:
    """Let worker ID, which is quiet, claim again."""
    from forecourt.web.api import fleet as api

    _ask(api.resume, id, f"Worker {id} goes on.")


@worker.command()
@click.argument("id", type=ID)
def stop(id: int) -> None:
    """Let worker ID end in order, as after SIGTERM. Whatever keeps it running starts another."""
    from forecourt.web.api import fleet as api

    _ask(api.stop, id, f"Worker {id} ends in order within a few seconds.")


def _ask(function: "Callable[..., Asked]", worker: int, words: str) -> None:
    changed = ask(function, worker=worker).changed
    say(words if changed else f"Worker {worker} does so already, or is to stop.")


def _state(worker: "Worker") -> str:
    if worker.stopping:
        return "stopping"
    if worker.asked == "stop":
        return "is to stop"
    if worker.quiet:
        return f"quiet, by {worker.asked_by}" if worker.asked == "quiet" else "goes on"
    return "is to be quiet" if worker.asked == "quiet" else ""
