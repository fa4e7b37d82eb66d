"""Which calls a command is for: those that are named by their ids, or all that fit."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

import click

from forecourt.cli.console import INSTANT, count_of_calls, print_result

if TYPE_CHECKING:
    from forecourt.web.api.matching import Acted

F = TypeVar("F", bound=Callable[..., Any])


def filters(command: F) -> F:
    """Adds the options that choose calls."""
    for option in (
        click.option("--until", "last", type=INSTANT, help="Only what came into its state, or is due, before that."),
        click.option("--since", "first", type=INSTANT, help="Only what came into its state, or is due, since then."),
        match_option,
        click.option("--job", help="All of this job."),
        click.option("--queue", help="All of this queue."),
    ):
        command = option(command)
    return command


match_option = click.option(
    "--match", "q", default="", help="All that the page's search would find: listing_id=42, batch:7, trace:ID."
)


def one_way(ids: Sequence[int], chosen: Mapping[str, Any]) -> bool:
    """Whether calls were named by their ids. Raises UsageError when they were named in both ways,
    or in none.
    """
    given = any(chosen.values())
    if ids and given:
        raise click.UsageError("Give ids or options that choose, not both")
    if not ids and not given:
        raise click.UsageError("Name the calls: their ids, --queue, --job, --match, --since or --until")
    return bool(ids)


def print_acted(as_json: bool, did: str, done: "Acted") -> None:
    """What became of them: at once, or by a call in the background."""
    if done.call is not None:
        words = (
            f"{count_of_calls(done.changed)}: call {done.call} does it, beginning in 10 seconds. "
            f"See: forecourt queue show {done.call}. Take it back: forecourt queue cancel {done.call}"
        )
    else:
        words = f"{count_of_calls(done.changed)} {did}." + (f" {done.stayed} stay as they are." if done.stayed else "")
    print_result(as_json, words, asdict(done))
