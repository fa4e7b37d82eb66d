"""Clock and worker as processes of their own, as a server runs them, and never left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from forecourt.process import die_with_parent

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

PATIENCE = 35.0
"""Seconds that a process gets to end in order: a worker lets running calls finish for 30."""


class ProcessEnded(RuntimeError):
    """A process that was to run all night has ended."""


class Processes:
    """`python -m forecourt` commands under names, each with a log of its own in `folder`.

    Leaving the block asks them to end in order and waits. Inside it a Ctrl-C (INT, TERM, HUP) is a
    KeyboardInterrupt at the next `check`, where no statement is cut off in its middle; a further
    one kills the processes. On Linux the kernel kills them if this process dies.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = {**os.environ, **environment}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._handlers: dict[signal.Signals, Any] = {}
        self._interrupted = False

    def start(self, name: str, *words: str, **environment: str) -> int:
        """Start a command and return its process id. One that runs under this name is ended first.

        Call it before this process has a second thread.
        """
        self._end([self._running.pop(name)] if name in self._running else [])
        self._folder.mkdir(parents=True, exist_ok=True)
        parent = os.getpid()

        def stay_with_parent() -> None:
            die_with_parent()
            if os.getppid() != parent:  # it was gone before the kernel knew
                os._exit(1)

        with self.log_of(name).open("wb") as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", "forecourt", *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment | environment,
                process_group=0,  # the terminal's Ctrl-C is for us; we end them in order
                preexec_fn=stay_with_parent,
            )
        return self._running[name].pid

    def log_of(self, name: str) -> Path:
        """Where a process says what it does."""
        return self._folder / f"{name}.log"

    def check(self) -> None:
        """Raise KeyboardInterrupt if a signal came, and ProcessEnded, with its last words, if a
        process has ended.
        """
        if self._interrupted:
            raise KeyboardInterrupt
        for name, process in self._running.items():
            if process.poll() is not None:
                said = self.log_of(name).read_text(errors="replace").splitlines()[-5:]
                raise ProcessEnded("\n".join([f"the {name} ended with exit code {process.returncode}", *said]))

    def _end(self, running: Sequence[subprocess.Popen[bytes]]) -> None:
        for process in running:
            process.terminate()
        stop_by = time.monotonic() + PATIENCE
        for process in running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=max(0.0, stop_by - time.monotonic()))
        for process in running:
            process.kill()
            process.wait()

    def _on_signal(self, _number: int, _frame: object) -> None:
        if self._interrupted:
            for process in self._running.values():
                process.kill()
        self._interrupted = True

    def __enter__(self) -> Self:
        heard = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]  # as under nohup
        self._handlers = {number: signal.signal(number, self._on_signal) for number in heard}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._interrupted = True  # from here on a signal is a further one
            self._end(list(self._running.values()))
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
