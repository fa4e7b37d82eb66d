"""The report, as tables: with lines and colours on a terminal, as plain aligned text elsewhere."""

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from forecourt.demo.report import Report
from forecourt.settings import settings

WIDEST = 120
"""Columns that the report takes at most; a narrower terminal gets wrapped cells."""


def width(console: Console) -> int:
    """How wide the report is on this console."""
    return min(console.width, WIDEST) if console.is_terminal else WIDEST


def render(report: Report, console: Console, seconds: float) -> None:
    """Print the report on a night that took so many seconds."""
    _table(
        console,
        f"Night {report.night}: the tasks",
        ["task", f"usually ({settings().timezone})", "due tonight", "took", "what it did"],
        [
            [
                line.task,
                line.usual,
                f"{line.due.astimezone():%H:%M:%S %Z}",
                "–" if line.seconds is None else f"{line.seconds:.2f} s",
                line.did if line.status == "succeeded" else f"{line.status}: {line.did}",
            ]
            for line in report.tasks
        ],
        right=["took"],
    )
    _table(
        console,
        "The jobs",
        ["job", "queue", "done", "retried", "failed", "calls a second"],
        [
            [
                line.job,
                line.queue,
                f"{line.done:,}",
                f"{line.retried:,}",
                f"{line.failed:,}",
                "–" if line.per_second is None else f"{line.per_second:,.1f}",
            ]
            for line in report.jobs
        ],
        right=["done", "retried", "failed", "calls a second"],
    )
    left = f", {report.views_left:,} of them left by a night that was broken off" if report.views_left else ""
    console.print(f"\nViews counted: {report.views_counted:,} of {report.views_sent:,} sent{left}", highlight=False)
    _table(
        console,
        "Other ways in, and a way back",
        ["what", "what became of it"],
        [[arrival.way, arrival.became] for arrival in report.arrivals],
    )
    _table(
        console,
        "What went wrong on purpose",
        ["job", "call", "what happened"],
        [[incident.job, str(incident.call), incident.words] for incident in report.incidents],
        right=["call"],
    )
    _table(
        console,
        "Where it lies",
        ["what", "in numbers", "where"],
        [[place.what, place.figures, str(place.path)] for place in report.places],
    )
    typed = _as_typed()
    _table(
        console,
        "What to try next",
        ["", ""],
        [
            [f"{typed} up", "keeps clock, worker and web running, by the usual timetable"],
            [f"{typed} schedule list", "every task, when it is due next, how it went last"],
            [f"{typed} queue failed", "the calls that failed for good"],
            [f"{typed} queue show {report.incidents[0].call}", "one of them, with every attempt's traceback"],
            [f"open {settings().outbox}/*.eml", "the mails, in English and Arabic"],
            ["make demo", "another night, on the same data"],
        ],
    )
    console.print()
    if report.off:
        console.print(f"[red]Not as promised[/], after {seconds:.0f} s:", highlight=False)
        for line in report.off:
            console.print(f"  {line}", style="red", markup=False, highlight=False)
    else:
        console.print(f"[green]All as promised[/], in {seconds:.0f} s.", highlight=False)
    day = report.tasks[0].due.astimezone(settings().zone).date()
    page = f"http://{settings().web_host}:{settings().web_port}/night?date={day}"
    console.print(f"While {typed} up runs, this night is at {page}", highlight=False)


def _table(
    console: Console,
    title: str,
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    right: Sequence[str] = (),
) -> None:
    table = Table(box=box.SIMPLE_HEAD if console.is_terminal else None, show_header=any(headings), pad_edge=False)
    for name in headings:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))  # not markup: an error's words may hold brackets
    console.print(f"\n{title}", style="bold", highlight=False)
    if console.is_terminal:
        console.print(table, width=width(console))
        return
    with console.capture() as plain:
        console.print(table, width=width(console))
    for line in plain.get().splitlines():
        console.out(line.rstrip(), highlight=False)


def _as_typed() -> str:
    """How the reader types this program: its name, or its path where the name is not found."""
    program = Path(sys.argv[0])
    found = shutil.which(program.name)
    if program.name != "forecourt":
        return "python -m forecourt"
    return program.name if found and Path(found).samefile(program) else os.path.relpath(program)
