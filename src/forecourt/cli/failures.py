"""`forecourt queue failed|retry|forget|flush|prune`: the calls that failed for good."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import timedelta

import click

from forecourt.cli.console import (
    HOURS,
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

BATCH = 1000
"""Calls that one transaction of a bulk command touches."""


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
@json_option
def retry(ids: Sequence[str], queue_name: str | None, job: str | None, as_json: bool) -> None:
    """Give failed calls all their tries again: by IDS, or `all`, or --queue and --job."""
    chosen = _selected(ids, queue_name, job)
    count = sum(_in_batches("retry", chosen))
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
    count = sum(_in_batches("forget", _selected(ids, None, None)))
    print_result(as_json, f"{count_of_calls(count)} forgotten.", {"forgotten": count})


@click.command()
@click.option("--hours", type=HOURS, help="Only those that failed at least so many hours ago.")
@click.option("--queue", "queue_name", help="Only of this queue.")
@click.option("--job", help="Only of this job.")
@yes_option
@json_option
def flush(hours: float | None, queue_name: str | None, job: str | None, yes: bool, as_json: bool) -> None:
    """Remove all failed calls, or those that the options choose."""
    from forecourt.store import failed as store

    with transaction() as tx:
        older = None if hours is None else timedelta(hours=hours)
        chosen = store.selected(tx, queue=queue_name, job=job, older_than=older)
    if chosen:
        confirm(f"This removes {count_of_calls(len(chosen))} for good. Continue?", yes=yes)
    count = sum(_in_batches("forget", chosen))
    print_result(as_json, f"{count_of_calls(count)} removed.", {"removed": count})


@click.command()
@click.option("--hours", type=HOURS, default=24.0, show_default=True, help="Only what failed before that.")
@json_option
def prune(hours: float, as_json: bool) -> None:
    """Remove failed calls that are older than --hours, without asking: for crontab."""
    from forecourt.store import failed as store

    with transaction() as tx:
        chosen = store.selected(tx, older_than=timedelta(hours=hours))
    count = sum(_in_batches("forget", chosen))
    print_result(as_json, f"{count_of_calls(count)} removed.", {"removed": count})


def _selected(ids: Sequence[str], queue_name: str | None, job: str | None) -> list[int]:
    """The failed calls that were named. Raises NotFound for an id that is not among them."""
    from forecourt.cli.errors import NotFound
    from forecourt.store import failed as store

    if not ids and queue_name is None and job is None:
        raise click.UsageError("Name the calls: their ids, `all`, --queue or --job")
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
        chosen = store.selected(tx, ids=wanted, queue=queue_name, job=job)
    missing = sorted(set(wanted or ()) - set(chosen))
    if missing:
        raise NotFound(f"no failed call has the id {', '.join(map(str, missing))}; see: forecourt queue failed")
    return chosen


def _in_batches(action: str, ids: Sequence[int]) -> Iterator[int]:
    from forecourt.store import audit
    from forecourt.store import failed as store

    act = store.retry if action == "retry" else store.forget
    for first in range(0, len(ids), BATCH):
        part = ids[first : first + BATCH]
        with transaction() as tx:
            count = act(tx, part)
            audit.record(tx, me(), f"queue {action}", {"ids": list(part)}, count)
        yield count


def _shorten(text: str, most: int = 100) -> str:
    line = text.replace("\n", " ")
    return line if len(line) <= most else f"{line[: most - 1]}…"
