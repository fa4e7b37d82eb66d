"""What is seen while the night passes: bars on a terminal, plain lines with the time elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.text import Text

EVERY = 5.0
"""Seconds between two plain lines about how far things are."""


class Display(Protocol):
    """Where the night is told."""

    def say(self, words: str) -> None:
        """Something happened."""

    def progress(self, **done: tuple[int, int]) -> None:
        """How far each named thing is: so many of so many."""


class Lines:
    """Lines with the time, and every few seconds one about how far things are, if that changed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown = ""
        self._shown_at = time.monotonic()

    def say(self, words: str) -> None:
        self._console.out(f"{datetime.now().astimezone():%H:%M:%S}  {words}", highlight=False)

    def progress(self, **done: tuple[int, int]) -> None:
        words = ", ".join(f"{name.replace('_', ' ')} {some:,} of {all_:,}" for name, (some, all_) in done.items())
        complete = all(some == all_ for some, all_ in done.values())
        if words != self._shown and (complete or time.monotonic() - self._shown_at >= EVERY):
            self._shown, self._shown_at = words, time.monotonic()
            self.say(words)


class Bars:
    """A bar a thing, with what happens above them."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bars: dict[str, TaskID] = {}

    def say(self, words: str) -> None:
        self._progress.console.print(Text.assemble((f"{datetime.now().astimezone():%H:%M:%S}", "dim"), f"  {words}"))

    def progress(self, **done: tuple[int, int]) -> None:
        for name, (some, all_) in done.items():
            if name not in self._bars:
                self._bars[name] = self._progress.add_task(name.replace("_", " "), total=all_)
            self._progress.update(self._bars[name], completed=some, total=all_)
        self._progress.refresh()


@contextmanager
def display(console: Console) -> Iterator[Display]:
    """The display that suits the console."""
    if not console.is_terminal:
        yield Lines(console)
        return
    columns = TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn()
    # Drawn when something changes, and not by a thread: this process forks.
    with Progress(*columns, console=console, auto_refresh=False) as progress:
        yield Bars(progress)
