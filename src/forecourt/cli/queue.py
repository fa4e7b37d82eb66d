"""`forecourt queue`: workers, and the calls that they work on."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import click

from forecourt.cli.console import (
    confirm,
    duration,
    json_option,
    me,
    print_json,
    print_table,
    relative,
    transaction,
    yes_option,
)

BATCH = 1000
"""Calls that one transaction of a bulk command touches."""


@click.group()
def queue() -> None:
    """Jobs and their workers."""


@queue.command()
@click.option("--queue", "queues", help="Queues to serve, the most urgent first: high,medium,low.")
@click.option("--processes", type=int, help="Slots: calls that run at the same time.  [4]")
@click.option("--tries", type=int, help="Attempts for jobs that say nothing of their own; 0 for no end.  [3]")
@click.option(
    "--timeout", type=float, help="Seconds an attempt may take, for jobs that say nothing; 0 for no limit.  [60]"
)
@click.option("--backoff", help="Seconds before the next attempt, for jobs that say nothing: 10,30,60.")
@click.option("--sleep", type=float, help="Seconds between two looks while idle.  [1]")
@click.option("--rest", type=float, help="Seconds that a slot rests after each call.  [0]")
@click.option("--max-jobs", type=int, help="Stop after so many calls; 0 for never.  [0]")
@click.option("--max-time", type=float, help="Stop after so many seconds; 0 for never.  [0]")
@click.option("--memory", type=int, help="Stop with exit code 12 when a slot uses more MiB; 0 for never.  [1024]")
@click.option("--shutdown-timeout", type=float, help="Seconds that running calls get after the signal to stop.  [30]")
@click.option("--once", is_flag=True, help="Work on one call, then stop.")
@click.option("--stop-when-empty", is_flag=True, help="Stop when no call is ready.")
def work(queues: str | None, tries: int | None, timeout: float | None, backoff: str | None, **given: Any) -> None:
    """Claim calls and execute them, until a signal or an option says stop.

    TERM, INT or QUIT: finish what runs, give the rest back, exit 0. A second signal kills now.
    """
    from forecourt import logs
    from forecourt.app import load
    from forecourt.database import engine
    from forecourt.database.schema import require_current
    from forecourt.jobs.backoff import Steps
    from forecourt.jobs.policy import Defaults, Policy
    from forecourt.schedule.clock import own_queue
    from forecourt.settings import settings
    from forecourt.workers.identity import own
    from forecourt.workers.options import WorkOptions
    from forecourt.workers.supervisor import Supervisor

    logs.configure()
    app = load()
    require_current(engine())
    usual = Defaults()
    defaults = Defaults(
        tries=usual.tries if tries is None else tries,
        timeout=usual.timeout if timeout is None else timeout,
        backoff=usual.backoff if backoff is None else Steps(_delays(backoff)),
    )
    Policy(tries=defaults.tries, timeout=defaults.timeout)  # refuses what is out of range
    named = tuple(name.strip() for name in queues.split(",")) if queues else app.queues
    with transaction() as tx:
        app.declare(tx)
    options = WorkOptions(
        queues=(*named, own_queue(own().host)),
        defaults=defaults,
        **{name: value for name, value in given.items() if value is not None},
    )
    if options.once:
        options = WorkOptions(**{**_fields(options), "processes": 1})
    sys.exit(Supervisor(options, app.jobs, settings().app).run())


@queue.command()
@click.argument("job")
@click.argument("args", default="{}")
@click.option("--delay", type=float, help="Seconds until the call is due.")
@click.option("--queue", "queue_name", help="Another queue than the job's own.")
@click.option("--priority", type=int, help="Lower goes first.")
@json_option
def dispatch(
    job: str, args: str, delay: float | None, queue_name: str | None, priority: int | None, as_json: bool
) -> None:
    """Enter a call of JOB with ARGS, a JSON object."""
    from forecourt.app import load
    from forecourt.cli.errors import NotFound

    jobs = load().jobs
    if job not in jobs:
        raise NotFound(f"no job is named {job!r}; there is {', '.join(sorted(jobs))}")
    try:
        given = json.loads(args)
    except json.JSONDecodeError as error:
        raise click.UsageError(f"ARGS is not JSON: {error}") from None
    if not isinstance(given, dict):
        raise click.UsageError("ARGS must be a JSON object, such as '{\"listing_id\": 42}'")
    call = jobs[job].using(delay=delay, queue=queue_name, priority=priority).dispatch(**given)
    if as_json:
        print_json({"id": call.id, "job": call.job})
    else:
        click.echo(f"Call {call.id} of {call.job} entered. See: forecourt queue show {call.id}")


@queue.command()
@click.argument("queues", nargs=-1)
@json_option
def size(queues: Sequence[str], as_json: bool) -> None:
    """How many calls are ready, running, scheduled and failed, by queue."""
    from forecourt.store import overview

    with transaction() as tx:
        rows = overview.sizes(tx, queues)
    chosen = [row for row in rows if not queues or row.queue in queues]
    if as_json:
        print_json([asdict(row) for row in chosen])
        return
    print_table(
        ["queue", "ready", "running", "scheduled", "failed", "oldest", ""],
        [
            [r.queue, r.ready, r.running, r.scheduled, r.failed, duration(r.oldest_ready_seconds) if r.ready else None,
             "paused" if r.paused else ""]
            for r in chosen
        ],
        empty="No queue has ever been used. Enter a call: forecourt queue dispatch JOB ARGS",
    )  # fmt: skip


@queue.command()
@click.argument("id", type=int)
@json_option
def show(id: int, as_json: bool) -> None:
    """Everything about one call: its state, arguments and every attempt."""
    from forecourt.cli.errors import NotFound
    from forecourt.store import overview, progress

    with transaction() as tx:
        found = overview.find(tx, id)
        said = progress.of(tx, [id]).get(id)
    if found is None:
        raise NotFound(f"no call has the id {id}: finished calls are kept for 7 days")
    if as_json:
        print_json(asdict(found) | {"progress": None if said is None else asdict(said)})
        return
    click.secho(f"call {found.id}: {found.job} on {found.queue}, {found.state}", bold=True)
    click.echo(f"  entered   {found.created_at:%Y-%m-%d %H:%M:%S %Z} ({relative(found.created_at)})")
    if found.at:
        click.echo(f"  {found.state:<9} {found.at:%Y-%m-%d %H:%M:%S %Z} ({relative(found.at)})")
    if said is not None:
        share = f" of {said.total:g} ({said.done / said.total:.0%})" if said.total else ""
        click.echo(f"  progress  {said.done:g}{share} {said.words} ({relative(said.at)})")
    click.echo(f"  arguments {json.dumps(found.args, ensure_ascii=False)[:2000]}")
    click.echo(f"  attempts  {found.attempts}")
    if found.result is not None:
        click.echo(f"  result    {json.dumps(found.result, ensure_ascii=False)}")
    if found.error:
        click.secho(f"  error     {found.error}", fg="red")
    for incident in found.history:
        head = f"  attempt {incident.get('attempt', '–')}  {incident.get('at', '')}  {incident['outcome']}"
        click.echo(f"{head}: {incident.get('error', '')} {incident.get('message', '')}".rstrip())
        for line in [*incident.get("log", []), *incident.get("traceback", "").rstrip().splitlines()]:
            click.echo(f"    {line}")


@queue.command()
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


@queue.command()
@click.argument("ids", nargs=-1)
@click.option("--queue", "queue_name", help="All of this queue.")
@click.option("--job", help="All of this job.")
@json_option
def retry(ids: Sequence[str], queue_name: str | None, job: str | None, as_json: bool) -> None:
    """Give failed calls all their tries again: by IDS, or `all`, or --queue and --job."""
    chosen = _selected(ids, queue_name, job)
    count = sum(_in_batches("retry", chosen))
    stayed = len(chosen) - count
    words = f"{_calls(count)} ready again." + (
        f" {stayed} stay: another call with the same unique key lives." if stayed else ""
    )
    _report(as_json, words, {"retried": count, "stayed": stayed})


@queue.command()
@click.argument("ids", nargs=-1, required=True)
@json_option
def forget(ids: Sequence[str], as_json: bool) -> None:
    """Remove failed calls by their IDS."""
    count = sum(_in_batches("forget", _selected(ids, None, None)))
    _report(as_json, f"{_calls(count)} forgotten.", {"forgotten": count})


@queue.command()
@click.option("--hours", type=click.FloatRange(min=0), help="Only those that failed at least so many hours ago.")
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
        confirm(f"This removes {_calls(len(chosen))} for good. Continue?", yes=yes)
    count = sum(_in_batches("forget", chosen))
    _report(as_json, f"{_calls(count)} removed.", {"removed": count})


@queue.command()
@click.argument("ids", nargs=-1, required=True, type=int)
@json_option
def cancel(ids: Sequence[int], as_json: bool) -> None:
    """End calls: those that wait at once, those that run by killing their slot within a second or two."""
    from forecourt.cli.errors import NotFound
    from forecourt.store import audit
    from forecourt.store import cancel as store
    from forecourt.workers.ending import cancel_waiting

    with transaction() as tx:
        waiting = cancel_waiting(tx, ids, me())
        running = store.ask(tx, ids, me())
        missing = sorted(set(ids) - waiting - running)
        if missing:
            raise NotFound(f"no call waits or runs with the id {', '.join(map(str, missing))}; nothing was cancelled")
        audit.record(tx, me(), "queue cancel", {"ids": list(ids)}, len(ids))
    words = f"{_calls(len(waiting))} cancelled" + (
        f", {len(running)} running will end in a moment." if running else "."
    )
    _report(as_json, words, {"cancelled": sorted(waiting), "ending": sorted(running)})


@queue.command()
@click.argument("queues", nargs=-1)
@click.option(
    "--max", "limit", type=click.IntRange(min=0), default=1000, show_default=True, help="Calls that may wait."
)
@click.option("--max-age", type=click.FloatRange(min=0), help="Seconds that the oldest ready call may have waited.")
@json_option
def monitor(queues: Sequence[str], limit: int, max_age: float | None, as_json: bool) -> None:
    """Exit 3 when more calls wait than --max, or longer than --max-age, in any of QUEUES (all if none is named)."""
    from forecourt.cli.errors import DEGRADED
    from forecourt.store import overview

    with transaction() as tx:
        rows = [row for row in overview.sizes(tx, queues) if not queues or row.queue in queues]
    over = [
        row
        for row in rows
        if row.ready + row.scheduled > limit or (max_age is not None and row.oldest_ready_seconds > max_age)
    ]
    if as_json:
        print_json([asdict(row) | {"over": row in over} for row in rows])
    else:
        print_table(
            ["queue", "waiting", "oldest", ""],
            [
                [
                    row.queue,
                    row.ready + row.scheduled,
                    duration(row.oldest_ready_seconds),
                    "OVER" if row in over else "ok",
                ]
                for row in rows
            ],
            empty="No queue has ever been used.",
        )
    if over:
        sys.exit(DEGRADED)


@queue.command()
def restart() -> None:
    """Ask every worker of the fleet to finish what it runs and exit 0; its supervisor starts it again, with new code."""
    from forecourt.store import audit, overview, wishes

    with transaction() as tx:
        wishes.utter(tx, "restart")
        audit.record(tx, me(), "queue restart", {})
        count = len(overview.workers(tx))
    click.echo(f"{count} {'worker ends' if count == 1 else 'workers end'} in order within a few seconds.")


@queue.command()
@click.option(
    "--hours", type=click.FloatRange(min=0), default=24.0, show_default=True, help="Only what failed before that."
)
@json_option
def prune(hours: float, as_json: bool) -> None:
    """Remove failed calls that are older than --hours, without asking: for crontab."""
    from forecourt.store import failed as store

    with transaction() as tx:
        chosen = store.selected(tx, older_than=timedelta(hours=hours))
    count = sum(_in_batches("forget", chosen))
    _report(as_json, f"{_calls(count)} removed.", {"removed": count})


@queue.command()
@click.argument("name")
@click.option("--until", type=click.DateTime(["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%H:%M"]), help="Local time.")
@click.option("--for", "minutes", type=click.FloatRange(min=0, min_open=True), help="Minutes.")
@click.option("--why", default="", help="What the others should know.")
def pause(name: str, until: datetime | None, minutes: float | None, why: str) -> None:
    """Let nobody claim from queue NAME. What runs goes on; what comes waits."""
    from forecourt.cli.pausing import end_of
    from forecourt.store import audit, pauses

    end = end_of(until, minutes)
    with transaction() as tx:
        pauses.pause(tx, "queue", name, until=end, who=me(), why=why)
        audit.record(tx, me(), "queue pause", {"queue": name, "until": end, "why": why})
    click.echo(f"Queue {name} is paused{f' until {end:%Y-%m-%d %H:%M %Z}' if end else ''}.")


@queue.command()
@click.argument("name")
def resume(name: str) -> None:
    """Let workers claim from queue NAME again."""
    from forecourt.cli.errors import NotFound
    from forecourt.store import audit, pauses
    from forecourt.store.calls import wake

    with transaction() as tx:
        if not pauses.resume(tx, "queue", name):
            raise NotFound(f"queue {name!r} is not paused")
        wake(tx, [name])
        audit.record(tx, me(), "queue resume", {"queue": name})
    click.echo(f"Queue {name} goes on.")


@queue.command()
@click.argument("name")
@yes_option
@json_option
def clear(name: str, yes: bool, as_json: bool) -> None:
    """Remove every waiting call of queue NAME, due or not. What runs goes on."""
    from forecourt.store import audit, waiting

    with transaction() as tx:
        count = waiting.count(tx, name)
    if count:
        confirm(f"This removes {_calls(count)} of queue {name} for good. Continue?", yes=yes)
    with transaction() as tx:
        count = waiting.clear(tx, name)
        audit.record(tx, me(), "queue clear", {"queue": name}, count)
    _report(as_json, f"{_calls(count)} removed from {name}.", {"removed": count})


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
        wrong = [id for id in ids if not id.isdigit()]
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


def _report(as_json: bool, words: str, value: dict[str, Any]) -> None:
    if as_json:
        print_json(value)
    else:
        click.echo(words)


def _calls(count: int) -> str:
    return "1 call" if count == 1 else f"{count} calls"


def _shorten(text: str, most: int = 100) -> str:
    line = text.replace("\n", " ")
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _delays(text: str) -> tuple[float, ...]:
    from forecourt.jobs.backoff import seconds

    try:
        return tuple(seconds(float(part)) for part in text.split(","))
    except ValueError as error:
        raise click.UsageError(f"--backoff: expected seconds such as 10,30,60, not {text!r} ({error})") from None


def _fields(options: Any) -> dict[str, Any]:
    return {name: getattr(options, name) for name in options.__slots__}
