"""`forecourt queue failed|retry|forget|flush|prune`: the calls that failed for good."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from forecourt.cli.asking import ask
from forecourt.cli.choosing import match_option
from forecourt.cli.console import (
    HOURS,
    INSTANT,
    confirm,
    count_of_calls,
    json_option,
    print_json,
    print_result,
    print_table,
    yes_option,
)

if TYPE_CHECKING:
    from forecourt.operations.calls import Action


@click.command()
@click.option("--queue", "queue_name", help="Only of this queue.")
@click.option("--job", help="Only of this job.")
@click.option("--error", help="Only with this error class.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@json_option
def failed(queue_name: str | None, job: str | None, error: str | None, limit: int, as_json: bool) -> None:
    """The calls that failed for good, newest first."""
    from forecourt.web.api import failures as api

    rows = ask(api.listed, queue=queue_name, job=job, error=error, limit=limit)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    print_table(
        ["id", "failed at", "queue", "job", "tries", "error"],
        [[r.id, r.failed_at, r.queue, r.job, r.attempts, _shorten(f"{r.error}: {r.message}")] for r in rows],
        empty="No failed calls.",
    )


@click.command()
@click.argument("ids", nargs=-1)
@click.option("--queue", "queue_name", help="All of this queue.")
@click.option("--job", help="All of this job.")
@click.option("--error", help="All with this error class.")
@click.option("--since", type=INSTANT, help="Only what failed since then: local time, or with an offset.")
@match_option
@json_option
def retry(
    ids: Sequence[str],
    queue_name: str | None,
    job: str | None,
    error: str | None,
    since: datetime | None,
    q: str,
    as_json: bool,
) -> None:
    """Give failed calls all their tries again: by IDS, or `all`, or those that all the options
    choose.
    """
    chosen = _named(ids, queue=queue_name, job=job, error=error, since=since, q=q or None)
    count = sum(_in_portions("retry", chosen))
    stayed = len(chosen) - count
    words = f"{count_of_calls(count)} ready again." + (
        f" {stayed} stay: another call with the same unique key lives." if stayed else ""
    )
    print_result(as_json, words, {"retried": count, "stayed": stayed})


@click.command()
@click.argument("ids", nargs=-1, required=True)
@json_option
def forget(ids: Sequence[str], as_json: bool) -> None:
    """Remove failed calls by their IDS."""
    count = sum(_in_portions("forget", _named(ids)))
    print_result(as_json, f"{count_of_calls(count)} forgotten.", {"forgotten": count})


@click.command()
@click.option("--hours", type=HOURS, help="Only those that failed at least so many hours ago.")
@click.option("--queue", "queue_name", help="Only of this queue.")
@click.option("--job", help="Only of this job.")
@click.option("--error", help="Only with this error class.")
@click.option("--since", type=INSTANT, help="Only what failed since then: local time, or with an offset.")
@match_option
@yes_option
@json_option
def flush(
    hours: float | None,
    queue_name: str | None,
    job: str | None,
    error: str | None,
    since: datetime | None,
    q: str,
    yes: bool,
    as_json: bool,
) -> None:
    """Remove all failed calls, or those that all the options choose."""
    older = None if hours is None else hours * 3600
    chosen = _chosen(queue=queue_name, job=job, error=error, since=since, q=q or None, older_than=older)
    if chosen:
        confirm(f"This removes {count_of_calls(len(chosen))} for good. Continue?", yes=yes)
    count = sum(_in_portions("forget", chosen))
    print_result(as_json, f"{count_of_calls(count)} removed.", {"removed": count})


@click.command()
@click.option("--hours", type=HOURS, default=24.0, show_default=True, help="Only what failed before that.")
@json_option
def prune(hours: float, as_json: bool) -> None:
    """Remove failed calls that are older than --hours, without asking: for crontab."""
    count = sum(_in_portions("forget", _chosen(older_than=hours * 3600)))
    print_result(as_json, f"{count_of_calls(count)} removed.", {"removed": count})


def _named(ids: Sequence[str], **chosen: Any) -> list[int]:
    """The failed calls that were named. Raises NotFound for an id that is not among them."""
    from forecourt.cli.errors import NotFound
    from forecourt.store.search import LARGEST_ID
    from forecourt.web.searching import whole_number

    if not ids and not any(value is not None for value in chosen.values()):
        raise click.UsageError("Name the calls: their ids, `all`, --queue, --job, --error, --since or --match")
    everything = "all" in ids
    if everything and len(ids) > 1:
        raise click.UsageError("Give ids or `all`, not both")
    if not ids or everything:
        return _chosen(**chosen)
    numbers = {id: whole_number(id, LARGEST_ID) for id in ids}
    if wrong := [id for id, number in numbers.items() if number is None]:
        raise click.UsageError(f"{wrong[0]!r} is not the id of a call, which is a number")
    wanted = sorted({number for number in numbers.values() if number is not None})
    found = [id for portion in _portions(wanted) for id in _chosen(ids=portion, **chosen)]
    missing = sorted(set(wanted) - set(found))
    if missing:
        raise NotFound(f"no failed call has the id {', '.join(map(str, missing))}; see: forecourt queue failed")
    return found


def _chosen(**chosen: Any) -> list[int]:
    """All that fit, however many."""
    from forecourt.web.api import matching as api

    given = {name: value for name, value in chosen.items() if value is not None}
    found, after = [], 0
    while True:
        some = ask(api.choose, after=after, **given)
        found += some.ids
        if some.next is None:
            return found
        after = some.next


def _in_portions(action: "Action", ids: Sequence[int]) -> Iterator[int]:
    """Each portion in a transaction of its own. Yields how many each changed."""
    from forecourt.web.api import failures as api

    for portion in _portions(ids):
        yield ask(api.retry if action == "retry" else api.forget, ids=portion).changed


def _portions(ids: Sequence[int]) -> Iterator[list[int]]:
    from forecourt.web.api.parameters import PORTION

    for first in range(0, len(ids), PORTION):
        yield list(ids[first : first + PORTION])


def _shorten(text: str, most: int = 100) -> str:
    line = text.replace("\n", " ")
    return line if len(line) <= most else f"{line[: most - 1]}…"
