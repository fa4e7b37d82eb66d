"""`forecourt queue pause|resume|clear|restart`: what concerns a whole queue, or every worker."""

from datetime import datetime

import click

from forecourt.cli.asking import ask
from forecourt.cli.console import (
    MINUTES,
    confirm,
    count_of_calls,
    json_option,
    print_result,
    say,
    warn,
    yes_option,
)


@click.command()
@click.argument("name")
@click.option("--until", type=click.DateTime(["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%H:%M"]), help="Local time.")
@click.option("--for", "minutes", type=MINUTES, help="Minutes.")
@click.option("--why", default="", help="What the others should know.")
def pause(name: str, until: datetime | None, minutes: float | None, why: str) -> None:
    """Let nobody claim from queue NAME. What runs goes on; what comes waits."""
    from forecourt.cli.pausing import end_of
    from forecourt.web.api import queues as api

    end = end_of(until, minutes)
    warn(ask(api.pause, queue=name, until=end, why=why).warning)
    say(f"Queue {name} is paused{f' until {end:%Y-%m-%d %H:%M %Z}' if end else ''}.")


@click.command()
@click.argument("name")
def resume(name: str) -> None:
    """Let workers claim from queue NAME again."""
    from forecourt.web.api import queues as api

    ask(api.resume, queue=name)
    say(f"Queue {name} goes on.")


@click.command()
@click.argument("name")
@yes_option
@json_option
def clear(name: str, yes: bool, as_json: bool) -> None:
    """Remove every waiting call of queue NAME, due or not. What runs goes on."""
    from forecourt.web.api import queues as api

    count = sum(size.ready + size.scheduled for size in ask(api.sizes, queues=[name]))
    if count:
        confirm(f"This removes {count_of_calls(count)} of queue {name} for good. Continue?", yes=yes)
    count = ask(api.clear, queue=name).removed
    print_result(as_json, f"{count_of_calls(count)} removed from {name}.", {"removed": count})


@click.command()
def restart() -> None:
    """Ask every worker of the fleet to finish what it runs and exit 0; its supervisor starts it
    again, with new code.
    """
    from forecourt.web.api import fleet as api

    count = ask(api.restart).workers
    say(f"{count} {'worker ends' if count == 1 else 'workers end'} in order within a few seconds.")
