"""Machines for storms: each has a worker and a clock, as processes that can be killed, frozen and
started again.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from fleet import TESTS, wait_until

WORK = ("queue", "work", "--processes", "2", "--sleep", "0.2", "--shutdown-timeout", "5")
TICK = ("schedule", "work")


class Program:
    """`forecourt ...` with a log, started as often as needed."""

    def __init__(
        self, log: Path, arguments: Sequence[str], environment: Mapping[str, str], prefix: Sequence[str] = ()
    ) -> None:
        self._log = log
        self._command = [*prefix, sys.executable, "-m", "forecourt", *arguments]
        self._environment = os.environ | environment
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, unless it runs."""
        if self.alive():
            return
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def ended_by_itself(self) -> int | None:
        """Its exit code, if it ended without having been killed."""
        code = None if self._process is None else self._process.poll()
        return None if code == -signal.SIGKILL else code

    def said(self) -> str:
        """Everything that it and its predecessors logged."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def kill(self) -> None:
        """kill -9, and reap."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def end(self, timeout: float = 30) -> int | None:
        """SIGTERM, and the exit code; None when it had to be killed."""
        if self._process is None:
            return 0
        self._process.terminate()
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            return None


class Host:
    """A machine with a worker and a clock. What they need is in the environment, `prefix` is how to
    get onto the machine.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        url: str,
        *,
        prefix: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.hostname = name if prefix else socket.gethostname()
        folder.mkdir(parents=True, exist_ok=True)
        settings = {
            "FORECOURT_DATABASE_URL": url,
            "FORECOURT_VAR": str(folder / "var"),
            "FORECOURT_APP": "faults.rally:app",
            "FORECOURT_LOG_FORMAT": "text",
            "PYTHONPATH": str(TESTS),
        } | dict(environment or {})
        self.worker = Program(folder / "worker.log", WORK, settings, prefix)
        self.clock = Program(folder / "clock.log", TICK, settings, prefix)

    @property
    def programs(self) -> tuple[Program, Program]:
        return (self.worker, self.clock)

    def start(self) -> None:
        """Start what does not run."""
        for program in self.programs:
            program.start()

    def fork_server(self) -> int | None:
        """The process that forks the worker's slots; None while there is none."""
        return next(iter(children(self.worker.pid)), None) if self.worker.alive() else None

    def slots(self) -> list[int]:
        """The processes of the worker's slots."""
        fork_server = self.fork_server()
        return [] if fork_server is None else children(fork_server)

    def await_slots(self) -> list[int]:
        """The same, once there are any."""
        found: list[int] = wait_until(self.slots, what=f"slots on {self.name}: {self.worker.said()[-2000:]}")
        return found

    def processes(self) -> list[int]:
        """The worker's processes: supervisor, fork_server, slots."""
        fork_server = self.fork_server()
        return [self.worker.pid, *([] if fork_server is None else [fork_server, *children(fork_server)])]


def children(pid: int) -> list[int]:
    """The processes that a process has started and not buried."""
    found: list[int] = []
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(child) for child in thread.read_text().split()]
        except OSError:
            continue
    return found
