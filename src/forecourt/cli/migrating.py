"""`forecourt migrate-from laravel|celery`: what waits in another system's queue is dispatched here;
first it is only shown.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from forecourt.cli.console import Commands, count_of_calls, print_table, say

if TYPE_CHECKING:
    from forecourt.migrating.waiting import Taken, Waiting

map_option = click.option(
    "--map",
    "pairs",
    multiple=True,
    metavar="THEIRS=JOB",
    help="Which job stands for one of theirs; may be given again.",
)
take_option = click.option(
    "--take", is_flag=True, help="Dispatch here and remove there; without it nothing is changed."
)


@click.group("migrate-from", cls=Commands)
def migrate_from() -> None:
    """Take over what waits in another system's queue."""


@migrate_from.command()
@click.option("--database", "url", metavar="URL", help="Where Laravel's tables are.  [our own database]")
@click.option("--failed", is_flag=True, help="What is in failed_jobs, instead of what waits in jobs.")
@map_option
@take_option
def laravel(url: str | None, failed: bool, pairs: tuple[str, ...], take: bool) -> None:
    """Read the tables jobs and failed_jobs of a Laravel application in PostgreSQL.

    A property listingId becomes the argument listing_id, a model $listing becomes listing_id. In
    our own database a job is taken in one transaction, so never lost or doubled. From another one,
    a crash between the two commits takes it again. Exit code 3: some cannot be taken, and stay.
    """
    from contextlib import nullcontext

    from forecourt.cli.console import transaction
    from forecourt.migrating import laravel as reader

    with transaction() as ours, nullcontext(ours) if url is None else reader.connect(url) as theirs:
        made = _planned(reader.read(theirs, failed=failed), pairs)
        _show(made, take)
        if take:
            ids = _dispatched(ours, made)
            if theirs is not ours:
                ours.commit()
            reader.forget(theirs, ids, failed=failed)
    _end(made)


@migrate_from.command()
@click.option("--redis", "url", default="redis://localhost:6379/0", show_default=True, help="Celery's broker.")
@click.option("--queue", default="celery", show_default=True, help="The name of Celery's queue.")
@map_option
@take_option
def celery(url: str, queue: str, pairs: tuple[str, ...], take: bool) -> None:
    """Read a queue of Celery's in Redis. Stop its workers before, so that they put back what they
    have fetched.

    Positional arguments get the names of the job's parameters, in order. A crash between our commit
    and the removal there takes a message again. Exit code 3: some cannot be taken, and stay.
    """
    from forecourt.cli.console import transaction
    from forecourt.cli.errors import Failed
    from forecourt.migrating import celery as reader
    from forecourt.migrating.redis import RedisError, connected

    try:
        with connected(url) as redis:
            made = _planned(reader.read(redis, queue), pairs)
            _show(made, take)
            if take:
                with transaction() as ours:
                    references = _dispatched(ours, made)
                reader.forget(redis, references)
    except RedisError as error:
        raise Failed(str(error)) from None
    _end(made)


def _planned(waiting: "Iterable[Waiting]", pairs: tuple[str, ...]) -> "list[Taken]":
    from forecourt.app import load
    from forecourt.migrating.waiting import taken

    renamed = {}
    for pair in pairs:
        theirs, equals, ours = pair.partition("=")
        if not (theirs and equals and ours):
            raise click.UsageError(
                f"--map: expected THEIRS=JOB, such as 'App\\Jobs\\CountView=count_view', not {pair!r}"
            )
        renamed[theirs] = ours
    jobs = load().jobs
    for ours in renamed.values():
        if ours not in jobs:
            raise click.UsageError(f"--map: no job is named {ours!r}. There is {', '.join(sorted(jobs))}.")
    return [taken(found, jobs, renamed) for found in waiting]


def _show(made: "list[Taken]", take: bool) -> None:
    print_table(
        ["theirs", "job", "arguments", "due"],
        [
            [
                one.waiting.name,
                one.dispatch.job.name if one.dispatch else f"stays: {one.problem}",
                dict(one.args) or None,
                one.waiting.due,
            ]
            for one in made
        ],
        empty="Nothing waits there.",
    )
    able = sum(one.dispatch is not None for one in made)
    if not take and able:
        say(f"Nothing was changed. {count_of_calls(able)} can be taken: repeat with --take", err=True)


def _dispatched(ours: Any, made: "list[Taken]") -> list[Any]:
    """Enter them in this transaction; returns how they are found again where they came from."""
    from dataclasses import replace

    references = []
    for one in made:
        if one.dispatch is not None:
            replace(one.dispatch, session=ours).dispatch(**one.args)
            references.append(one.waiting.reference)
    say(f"{count_of_calls(len(references))} taken.", err=True)
    return references


def _end(made: "list[Taken]") -> None:
    from forecourt.cli.errors import DEGRADED

    if any(one.dispatch is None for one in made):
        raise click.exceptions.Exit(DEGRADED)
