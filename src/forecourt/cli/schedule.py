"""`forecourt schedule`: the timetable and its clock."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from forecourt.cli.asking import ask
from forecourt.cli.console import (
    MINUTES,
    Commands,
    confirm,
    duration,
    json_option,
    print_json,
    print_result,
    print_table,
    say,
    transaction,
)
from forecourt.cli.difference import diff
from forecourt.cli.explaining import explain
from forecourt.cli.importing import import_crontab
from forecourt.cli.listing import lines
from forecourt.cli.pausing import end_of, require_one
from forecourt.cli.stored_tasks import add, edit, remove

if TYPE_CHECKING:
    from forecourt.schedule.clock import Clock
    from forecourt.schedule.events import Event


@click.group(cls=Commands)
def schedule() -> None:
    """The timetable and its clock."""


for command in (add, diff, edit, explain, import_crontab, remove):
    schedule.add_command(command)


@schedule.command("list")
@click.option("--timezone", help="Show times in this zone instead of each task's own.")
@click.option(
    "--next", "upcoming", type=click.IntRange(1, 100), default=1, show_default=True, help="How many due times."
)
@json_option
def list_(timezone: str | None, upcoming: int, as_json: bool) -> None:
    """Every task: when it is due, in words and as cron, when next, and how it went last."""
    from forecourt.schedule.zones import zone_named
    from forecourt.web.api import schedule as api

    zone = zone_named(timezone) if timezone else None
    found = ask(api.timetable, upcoming=upcoming)
    if as_json:
        print_json([asdict(task) for task in found.tasks])
        return
    if not found.tasks:
        say("No tasks. Add one: timetable.add(job).daily_at('02:00')", err=True)
        return
    print_table(
        ["task", "when", "cron", "zone", "next due", "", "last result"],
        [line for task in found.tasks for line in lines(task, zone or ZoneInfo(task.timezone), found.now)],
        empty="",
    )


@schedule.command()
def run() -> None:
    """One round of the clock, for crontab: `* * * * * forecourt schedule run`.

    Enqueues whatever is due since the last round, on whichever server, exactly once. With tasks
    that repeat within the minute it goes on until the minute ends.
    """
    from forecourt import logs
    from forecourt.app import load
    from forecourt.watch.beside import watch_once
    from forecourt.watch.ping import Ping

    logs.configure()
    with _clock() as clock:
        events = clock.run_once()
        while clock.waits():  # for the answer of a slow condition
            events += clock.run_once()
        if any(task.repeat_seconds for task in clock.tasks):
            end = time.monotonic() + 60 - time.time() % 60  # the wall clock may be set back meanwhile
            while time.monotonic() + _next_second() < end:
                time.sleep(_next_second())
                events += clock.run_once()
    _say(events)
    ping = Ping()
    ping.tell()
    watch_once(load)
    ping.await_end()


@schedule.command()
def work() -> None:
    """The clock as a daemon: looks as each second begins, until a signal says stop."""
    import logging
    import signal

    from forecourt import logs
    from forecourt.app import load
    from forecourt.cli.errors import explained
    from forecourt.cli.stop_signals import StopSignals
    from forecourt.watch.beside import watching
    from forecourt.watch.ping import Ping

    logs.configure()
    log = logging.getLogger("forecourt.clock")
    signals = StopSignals([signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
    errors, ping = 0, Ping()
    with _clock() as clock, watching(load):
        log.info("clock started", extra={"tasks": len(clock.tasks)})
        while not signals.heard:
            try:
                clock.run_once()
                errors = 0
                ping.tell()
            except Exception as error:
                errors += 1
                said = explained(error)[1] or str(error).strip()
                reason = said.partition("\n")[0] or type(error).__name__
                log.warning("round failed, again soon: %s", reason, exc_info=errors == 3)
            signals.waiter.wait(min(_next_second() + errors, 10.0))
    log.info("clock stopped")


@schedule.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def test(name: str, yes: bool) -> None:
    """Run task NAME here and now, whatever its time and constraints, with its hooks. The schedule
    does not count it.
    """
    import logging

    from forecourt import logs
    from forecourt.app import load
    from forecourt.cli.errors import Busy, Failed
    from forecourt.process import own
    from forecourt.schedule.run_now import run_now
    from forecourt.store import ticks

    logs.configure()
    app = load()
    with transaction() as tx:
        task = app.schedule(tx)[name]
    confirm(f"Run {name} ({task.sentence}) now?", yes=yes, default=True)
    with transaction() as tx:
        holder = ticks.holders(tx, [(name, "" if task.one_server else own().host)]).get(name)
    if holder is not None and not task.may_overlap:
        raise Busy(f"{name} is running as call {holder.call_id} since {holder.claimed_at:%H:%M:%S %Z}; try again later")
    begun = time.monotonic()
    try:
        result = run_now(task, app.jobs.middleware)
    except (Exception, SystemExit) as error:
        logging.getLogger("forecourt.clock").exception("%s failed", name)
        raise Failed(
            f"{name} failed after {duration(time.monotonic() - begun)}: {type(error).__name__}: {error}"
        ) from None
    took = duration(time.monotonic() - begun)
    say(f"{name} succeeded in {took}: {result if result is not None else 'no result'}")


@schedule.command()
@click.argument("name")
@json_option
def trigger(name: str, as_json: bool) -> None:
    """Enter a run of task NAME now, on a worker, whatever its time, conditions and pauses; its
    history shows it.
    """
    from forecourt.web.api import schedule as api

    call = ask(api.trigger, task=name).call
    print_result(
        as_json, f"Call {call} of {name} entered. See: forecourt queue show {call}", {"task": name, "call": call}
    )


@schedule.command()
@click.argument("name", required=False)
@click.option("--limit", type=click.IntRange(1, 10_000), default=30, show_default=True)
@json_option
def history(name: str | None, limit: int, as_json: bool) -> None:
    """The latest due times, of all tasks or of NAME, and what became of them."""
    from forecourt.web.api import schedule as api

    rows = ask(api.history, task=name, limit=limit)
    if as_json:
        print_json([{field: getattr(row, field) for field in row.__slots__} for row in rows])
        return
    print_table(
        ["due", "task", "host", "status", "late", "took", "result"],
        [
            [f"{row.due_at.astimezone():%Y-%m-%d %H:%M:%S %Z}", row.task, row.host or None,
             f"{row.status}, overdue" if row.overdue_at else row.status,
             duration(row.late),
             duration(row.seconds) if row.seconds is not None else None,
             row.why or row.output]
            for row in rows
        ],
        empty="No due time has passed yet. See when the next ones are: forecourt schedule list",
    )  # fmt: skip


@schedule.command()
@click.argument("name", required=False)
@click.option("--group", help="A group of tasks instead of one; without NAME and --group, the whole schedule.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%H:%M"]), help="Local time.")
@click.option("--for", "minutes", type=MINUTES, help="Minutes.")
@click.option("--why", default="", help="What the others should know.")
def pause(name: str | None, group: str | None, until: datetime | None, minutes: float | None, why: str) -> None:
    """Skip due times: of task NAME, of a group, or of all tasks. What runs goes on."""
    from forecourt.web.api import schedule as api

    require_one(name, group)
    end = end_of(until, minutes)
    paused = ask(api.pause, task=name, group=group, until=end, why=why)
    say(f"{api.words(paused.kind, paused.name)} is paused{f' until {end:%Y-%m-%d %H:%M %Z}' if end else ''}.")


@schedule.command()
@click.argument("name", required=False)
@click.option("--group", help="A group of tasks instead of one.")
def resume(name: str | None, group: str | None) -> None:
    """Go on with task NAME, a group, or the whole schedule. What was skipped meanwhile stays
    skipped.
    """
    from forecourt.web.api import schedule as api

    require_one(name, group)
    resumed = ask(api.resume, task=name, group=group)
    say(f"{api.words(resumed.kind, resumed.name)} goes on.")


@contextmanager
def _clock() -> "Iterator[Clock]":
    """With connections of its own: conditions may take all of those that the process lends."""
    from forecourt.app import load
    from forecourt.database.engine import make_engine
    from forecourt.database.revision import require_current
    from forecourt.schedule.clock import Clock
    from forecourt.settings import settings

    app = load()
    with transaction() as tx:
        require_current(tx, marketplace=app.has_marketplace)
    engine = make_engine(pool_size=1)
    try:
        yield Clock(
            app.timetable, engine, environment=settings().environment, application=settings().app, jobs=app.jobs
        )
    finally:
        engine.dispose()


def _say(events: "list[Event]") -> None:
    from forecourt.schedule.events import Enqueued, NotRun, Overdue

    for event in events:
        match event:
            case Enqueued(task, due_at, call_id):
                say(f"{task} due {due_at:%Y-%m-%d %H:%M:%S %Z}: call {call_id}")
            case NotRun(task, due_at, status, why):
                say(f"{task} due {due_at:%Y-%m-%d %H:%M:%S %Z}: {status}, {why}")
            case Overdue(task, due_at):
                say(f"{task} due {due_at:%Y-%m-%d %H:%M:%S %Z}: overdue, {event.why}")
    if not events and sys.stderr.isatty():  # cron would send a mail each minute
        say("No task is due.", err=True)


def _next_second() -> float:
    """Seconds until just after the next second begins, so that a due time is met within
    milliseconds.
    """
    return 1.0 - time.time() % 1.0 + 0.002
