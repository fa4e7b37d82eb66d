"""`forecourt queue failed|retry|forget|flush|prune`: the calls that failed for good."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from forecourt.cli.console import (
    HOURS,
    INSTANT,
    confirm,
    count_of_calls,
    json_option,
    me,
    print_json,
    print_result,
    print_table,
    transaction,
    yes_option,
)

if TYPE_CHECKING:
    from forecourt.operations.failures import Action
    from forecourt.store.failed import Filter


@click.command()
@click.option("--queue", "queue_name", help="Only of this queue.")
@click.option("--job", help="Only of this job.")
@click.option("--error", help="Only with this error class.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@json_option
def failed(queue_name: str | None, job: str | None, error: str | None, limit: int, as_json: bool) -> None:
    """The calls that failed for good, newest first."""
    from forecourt.store import failed as store

    with transaction() as tx:
        rows = store.listed(tx, queue=queue_name, job=job, error=error, limit=limit)
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
@json_option
def retry(
    ids: Sequence[str],
    queue_name: str | None,
    job: str | None,
    error: str | None,
    since: datetime | None,
    as_json: bool,
) -> None:
    """Give failed calls all their tries again: by IDS, or `all`, or those that all the options choose."""
    from forecourt.store.failed import Filter

    chosen = _selected(ids, Filter(queue=queue_name, job=job, error=error, since=since))
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
    from forecourt.store.failed import Filter

    count = sum(_in_portions("forget", _selected(ids, Filter())))
    print_result(as_json, f"{count_of_calls(count)} forgotten.", {"forgotten": count})


@click.command()
@click.option("--hours", type=HOURS, help="Only those that failed at least so many hours ago.")
@click.option("--queue", "queue_name", help="Only of this queue.")
@click.option("--job", help="Only of this job.")
@click.option("--error", help="Only with this error class.")
@click.option("--since", type=INSTANT, help="Only what failed since then: local time, or with an offset.")
@yes_option
@json_option
def flush(
    hours: float | None,
    queue_name: str | None,
    job: str | None,
    error: str | None,
    since: datetime | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Remove all failed calls, or those that all the options choose."""
    from forecourt.store import failed as store

    with transaction() as tx:
        older = None if hours is None else timedelta(hours=hours)
        chosen = store.selected(tx, store.Filter(queue=queue_name, job=job, error=error, since=since, older_than=older))
    if chosen:
        confirm(f"This removes {count_of_calls(len(chosen))} for good. Continue?", yes=yes)
    count = sum(_in_portions("forget", chosen))
    print_result(as_json, f"{count_of_calls(count)} removed.", {"removed": count})


@click.command()
@click.option("--hours", type=HOURS, default=24.0, show_default=True, help="Only what failed before that.")
@json_option
def prune(hours: float, as_json: bool) -> None:
    """Remove failed calls that are older than --hours, without asking: for crontab."""
    from forecourt.store import failed as store

    with transaction() as tx:
        chosen = store.selected(tx, store.Filter(older_than=timedelta(hours=hours)))
    count = sum(_in_portions("forget", chosen))
    print_result(as_json, f"{count_of_calls(count)} removed.", {"removed": count})


def _selected(ids: Sequence[str], chosen: "Filter") -> list[int]:
    """The failed calls that were named. Raises NotFound for an id that is not among them."""
    from forecourt.cli.errors import NotFound
    from forecourt.store import failed as store

    if not ids and chosen == store.Filter():
        raise click.UsageError("Name the calls: their ids, `all`, --queue, --job, --error or --since")
    everything = "all" in ids
    if everything and len(ids) > 1:
        raise click.UsageError("Give ids or `all`, not both")
    wanted = None
    if ids and not everything:
        wrong = [id for id in ids if not (id.isascii() and id.isdigit() and 0 < int(id[:20]) < 2**63)]
        if wrong:
            raise click.UsageError(f"{wrong[0]!r} is not the id of a call, which is a number")
        wanted = [int(id) for id in ids]
    with transaction() as tx:
        found = store.selected(tx, replace(chosen, ids=wanted))
    missing = sorted(set(wanted or ()) - set(found))
    if missing:
        raise NotFound(f"no failed call has the id {', '.join(map(str, missing))}; see: forecourt queue failed")
    return found


def _in_portions(action: "Action", ids: Sequence[int]) -> "Iterator[int]":
    from forecourt.operations import failures

    return failures.in_portions(transaction, action, ids, who=me())


def _shorten(text: str, most: int = 100) -> str:
    line = text.replace("\n", " ")
    return line if len(line) <= most else f"{line[: most - 1]}…"
