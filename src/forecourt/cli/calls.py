"""`forecourt queue dispatch|size|monitor|show|cancel|run-now`: calls, and how many there are."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import click

from forecourt.cli.asking import ask
from forecourt.cli.choosing import filters, one_way, print_acted
from forecourt.cli.console import (
    ID,
    SECONDS,
    confirm,
    count_of_calls,
    duration,
    json_option,
    print_json,
    print_result,
    print_table,
    relative,
    say,
    yes_option,
)


@click.command(context_settings={"allow_extra_args": True})  # to say how ARGS is written
@click.argument("job")
@click.argument("args", default="{}")
@click.option("--delay", type=SECONDS, help="Seconds until the call is due.")
@click.option("--queue", "queue_name", help="Another queue than the job's own.")
@click.option("--priority", type=click.IntRange(-32767, 32767), help="Lower goes first.")
@json_option
def dispatch(
    job: str, args: str, delay: float | None, queue_name: str | None, priority: int | None, as_json: bool
) -> None:
    """Enter a call of JOB with ARGS, a JSON object."""
    from forecourt.web.api import calls as api

    if extra := click.get_current_context().args:
        raise click.UsageError(
            f"Got unexpected arguments: {' '.join(extra)}. The shell must see ARGS as one word, in quotes: '{{\"listing_id\": 7}}'"
        )
    try:
        given = json.loads(args)
    except json.JSONDecodeError as error:
        raise click.UsageError(f"""ARGS is not JSON such as '{{"listing_id": 7}}': {error}""") from None
    except RecursionError:
        raise click.UsageError("ARGS is nested too deeply") from None
    if not isinstance(given, dict):
        raise click.UsageError("ARGS must be a JSON object, such as '{\"listing_id\": 42}'")
    call = ask(api.dispatch, job=job, args=given, delay=delay, queue=queue_name, priority=priority)
    became = "is there already, nothing was entered" if call.duplicate else "entered"
    print_result(as_json, f"Call {call.id} of {call.job} {became}. See: forecourt queue show {call.id}", asdict(call))


@click.command()
@click.argument("queues", nargs=-1)
@json_option
def size(queues: Sequence[str], as_json: bool) -> None:
    """How many calls are ready, running, scheduled and failed, by queue."""
    from forecourt.web.api import queues as api

    rows = ask(api.sizes, queues=queues)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    print_table(
        ["queue", "ready", "running", "scheduled", "failed", "oldest", ""],
        [
            [r.queue, r.ready, r.running, r.scheduled, r.failed, duration(r.oldest_ready_seconds) if r.ready else None,
             "paused" if r.paused else ""]
            for r in rows
        ],
        empty="No queue has ever been used. Enter a call: forecourt queue dispatch JOB ARGS",
    )  # fmt: skip


@click.command()
@click.argument("queues", nargs=-1)
@click.option(
    "--max", "limit", type=click.IntRange(0, 2**63 - 1), default=1000, show_default=True, help="Calls that may wait."
)
@click.option("--max-age", type=SECONDS, help="Seconds that the oldest ready call may have waited.")
@json_option
def monitor(queues: Sequence[str], limit: int, max_age: float | None, as_json: bool) -> None:
    """Exit 3 when more calls wait than --max, or longer than --max-age, in any of QUEUES (all if
    none is named).
    """
    from forecourt.cli.errors import DEGRADED
    from forecourt.web.api import queues as api

    rows = ask(api.sizes, queues=queues)
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


@click.command()
@click.argument("id", type=ID)
@click.option("--full", is_flag=True, help="Tracebacks with the frames of libraries.")
@json_option
def show(id: int, full: bool, as_json: bool) -> None:
    """Everything about one call: its state, arguments and every attempt."""
    from forecourt.tracebacks import without_libraries
    from forecourt.web.api import calls as api

    found = ask(api.show, id=id)
    if as_json:
        print_json(asdict(found))
        return
    said = found.progress
    say(f"call {found.id}: {found.job} on {found.queue}, {found.state}", bold=True)
    say(f"  entered   {found.created_at:%Y-%m-%d %H:%M:%S %Z} ({relative(found.created_at)})")
    if found.at:
        say(f"  {found.state:<9} {found.at:%Y-%m-%d %H:%M:%S %Z} ({relative(found.at)})")
    if said is not None:
        share = f" of {said.total:g} ({said.done / said.total:.0%})" if said.total else ""
        say(f"  progress  {said.done:g}{share} {said.words} ({relative(said.at)})")
    say(f"  arguments {json.dumps(found.args, ensure_ascii=False)[:2000]}")
    say(f"  attempts  {found.attempts}")
    if found.state == "ready":
        say(f"  waits     for a worker. Why: forecourt queue explain {found.queue}")
    if found.workflow is not None:
        say(f"  workflow  {found.workflow}. See: forecourt queue workflow show {found.workflow}")
    if found.trace is not None:
        say(f"  trace     {found.trace}")
    if found.result is not None:
        say(f"  result    {json.dumps(found.result, ensure_ascii=False)}")
    if found.error:
        say(f"  error     {found.error}", fg="red")
    for incident in found.history:
        at = f"{datetime.fromisoformat(incident['at']):%Y-%m-%d %H:%M:%S %Z}" if incident.get("at") else ""
        head = f"  attempt {incident.get('attempt', '–')}  {at}  {incident['outcome']}"
        if incident.get("host"):
            head += f" on {incident['host']}" + (f", process {incident['pid']}" if incident.get("pid") else "")
        message = "\n    ".join(incident.get("message", "").splitlines())
        say(f"{head}: {incident.get('error', '')} {message}".rstrip())
        whole = incident.get("traceback", "").rstrip()
        own = without_libraries(whole)
        for line in [*incident.get("log", []), *(whole if full else own.text).splitlines()]:
            say(f"    {line}")
        if own.left_out and not full:
            say(f"    ({own.left_out} frames of libraries left out; with --full all of them)")


@click.command()
@click.argument("ids", nargs=-1, type=ID)
@click.option("--state", type=click.Choice(["ready", "scheduled", "running"]), help="All of this state that fit.")
@filters
@yes_option
@json_option
def cancel(ids: Sequence[int], state: str | None, yes: bool, as_json: bool, **chosen: Any) -> None:
    """End calls, by IDS or all of a --state that fit: those that wait at once, those that run by
    killing their slot within a second or two.
    """
    from forecourt.web.api import calls as api
    from forecourt.web.api import matching

    if ids and state:
        raise click.UsageError("Give ids or a --state, not both")
    if one_way(ids, chosen):
        done = ask(api.cancel, ids=list(ids))
        words = f"{count_of_calls(len(done.cancelled))} cancelled" + (
            f", {len(done.ending)} running will end in a moment." if done.ending else "."
        )
        print_result(as_json, words, asdict(done))
        return
    if state is None:
        raise click.UsageError("Name the state as well: --state ready, scheduled or running")
    count = ask(matching.count, state=state, **chosen).count
    if count:
        confirm(f"This cancels {count_of_calls(count)}. Continue?", yes=yes)
    print_acted(as_json, "cancelled", ask(matching.cancel, state=state, **chosen))


@click.command("run-now")
@click.argument("ids", nargs=-1, type=ID)
@filters
@json_option
def run_now(ids: Sequence[int], as_json: bool, **chosen: Any) -> None:
    """Make calls ready that wait for their time: by IDS, or all that fit."""
    from forecourt.web.api import calls as api
    from forecourt.web.api import matching

    by_id = one_way(ids, chosen)
    done = ask(api.run_now, ids=list(ids)) if by_id else ask(matching.run_now, **chosen)
    print_acted(as_json, "ready now", done)
