"""One child process: started again as often as needed, with its output at hand, and never outliving
its parent.
"""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence

from forecourt.process import die_with_parent

PIPE_SIZE = 64 * 1024
"""Bytes that a pipe holds, so that one read empties it. A line that is longer is passed on in
parts.
"""


class ChildProcess:
    """A command under a name. Between `start` and `reap` it has a process."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.name = name
        self.start_at = 0.0
        """When it is due to be started, by the monotonic clock."""
        self.quick_deaths = 0
        """How often in a row it died soon after its start."""
        self._command = command
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._unfinished = b""

    def start(self) -> int:
        """Start the process, and return the descriptor that its output comes from; reading never
        blocks.

        It has a process group of its own, so the terminal's Ctrl-C passes it by. On Linux the
        kernel kills it when this process ends, however that happens.
        """
        parent = os.getpid()

        def stay_with_parent() -> None:
            die_with_parent()
            if os.getppid() != parent:  # it was gone before the kernel knew
                os._exit(1)

        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._environment,
            process_group=0,
            preexec_fn=stay_with_parent,  # safe, as this process has one thread
        )
        self._started_at = time.monotonic()
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)
        return self._process.stdout.fileno()

    @property
    def is_alive(self) -> bool:
        """Whether it was started, and not reaped since."""
        return self._process is not None

    def read_lines(self) -> list[bytes] | None:
        """The lines that it said since the last time; None when it will say no more."""
        assert self._process is not None
        assert self._process.stdout is not None
        try:
            said = os.read(self._process.stdout.fileno(), PIPE_SIZE)
        except BlockingIOError:
            return []
        if not said:
            return None
        *lines, self._unfinished = (self._unfinished + said).split(b"\n")
        if len(self._unfinished) > PIPE_SIZE:
            lines.append(self._unfinished)
            self._unfinished = b""
        return lines

    def has_ended(self) -> bool:
        """Whether there is a process to reap."""
        return self._process is not None and self._process.poll() is not None

    def reap(self) -> tuple[int, float, list[bytes]]:
        """Take leave of a process that has ended: its exit code, negative for a signal, its seconds
        of life, its last lines.
        """
        assert self._process is not None
        assert self._process.stdout is not None
        # Only what is in the pipe now: a program that it left behind may hold the other end, and go
        # on writing.
        lines = self.read_lines() or []
        if self._unfinished:
            lines.append(self._unfinished)
            self._unfinished = b""
        self._process.stdout.close()
        code = self._process.wait()
        self._process = None
        return code, time.monotonic() - self._started_at, lines

    def terminate(self) -> None:
        """Send SIGTERM."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        if self._process is not None:
            self._process.kill()
