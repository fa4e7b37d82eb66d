"""`forecourt top`: how everything stands, in the terminal, again every few seconds."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from forecourt.cli.asking import ask
from forecourt.cli.console import Number

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


@click.command()
@click.option("--every", type=Number(0.5, 3600), default=2.0, show_default=True, help="Seconds between two looks.")
@click.option("--once", is_flag=True, help="Look once and end, for pipes and scripts.")
def top(every: float, once: bool) -> None:
    """Queues, slots, next due times and last failures, live. q or Ctrl-C ends it."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 132, highlight=False)
    if once or not sys.stdout.isatty():
        console.print(_look(None))
        return
    _live(console, every)


def _live(console: "Console", every: float) -> None:
    import select

    from rich.live import Live

    with _keys() as keys, Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(_look_or_say_why_not(console), refresh=True)
            if select.select(keys, [], [], every)[0] and sys.stdin.read(1) in ("q", "Q", "\x03", "\x04", ""):
                return


def _look_or_say_why_not(console: "Console") -> "RenderableType":
    """What does not answer now may answer the next time: a terminal that watches must not end with
    it.
    """
    from rich.text import Text

    from forecourt.cli.errors import explained
    from forecourt.visible import visible

    try:
        return _look(console.height)
    except Exception as error:
        code, words = explained(error)
        if code is None:
            raise
        return Text(f"{visible(words)}\nTrying again.", style="red")


def _look(height: int | None) -> "RenderableType":
    from forecourt.cli.top_view import drawn
    from forecourt.web.api import top as api

    return drawn(ask(api.look), height)


@contextmanager
def _keys() -> Iterator[list[int]]:
    """Where keys come from, one by one and unseen; nothing where there is no keyboard."""
    import termios
    import tty

    if not sys.stdin.isatty():
        yield []
        return
    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)
        yield [sys.stdin.fileno()]
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
