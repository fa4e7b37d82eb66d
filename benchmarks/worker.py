"""Worker processes of any queue, started and stopped, with all that they start themselves."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path


class WorkerDied(RuntimeError):
    """A worker ended by itself; the message holds the last lines that it wrote."""


@contextmanager
def working(commands: Sequence[Sequence[str]], *, env: Mapping[str, str], cwd: Path, log: Path) -> Iterator["Workers"]:
    """Run these commands for the duration of the block, then kill them and all that they started:
    nobody needs their end.
    """
    with log.open("ab") as output:
        processes = [
            subprocess.Popen(
                command,
                env=env,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            for command in commands
        ]
        try:
            yield Workers(processes, log)
        finally:
            for pid in [pid for process in processes if process.poll() is None for pid in _family(process.pid)]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            for process in processes:
                process.wait()


class Workers:
    """The processes that were started."""

    def __init__(self, processes: "Sequence[subprocess.Popen[bytes]]", log: Path) -> None:
        self._processes = processes
        self._log = log

    def until(self, done: Callable[[], bool], *, within: float, every: float = 0.003) -> None:
        """Look every so many seconds until `done`. Raises WorkerDied, or TimeoutError after
        `within` seconds.
        """
        deadline = time.monotonic() + within
        while not done():
            for process in self._processes:
                if process.poll() is not None:
                    raise WorkerDied(f"{process.args!r} ended with {process.returncode}: {self.last_words()}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"not done within {within:g} s: {self.last_words()}")
            time.sleep(every)

    def to_their_end(self, *, within: float) -> None:
        """Wait until all have ended by themselves. Raises WorkerDied when one did not end well."""
        for process in self._processes:
            if process.wait(within) != 0:
                raise WorkerDied(f"{process.args!r} ended with {process.returncode}: {self.last_words()}")

    def memory(self) -> float:
        """MB of all these processes and of all that they started; a shared page counts once, in
        parts (PSS).
        """
        return sum(_pss(pid) for process in self._processes for pid in _family(process.pid)) / 1024

    def cpu(self) -> float:
        """Seconds of CPU that all these processes, and all that they started and that still run,
        have used.
        """
        return sum(family_cpu(process.pid) for process in self._processes)

    def last_words(self) -> str:
        """The end of what they wrote."""
        return self._log.read_text(errors="replace")[-1000:].strip()


def family_cpu(pid: int) -> float:
    """Seconds of CPU that this process and all that it started and that still run have used."""
    return sum(cpu(one) for one in _family(pid))


def cpu(pid: int) -> float:
    """Seconds of CPU that this process has used, of all its threads, by the clock that the kernel
    keeps for it.
    """
    clock = (~pid << 3) | 2  # as clock_getcpuclockid(3), which Python does not have
    return time.clock_gettime(clock)


def _family(pid: int) -> Iterator[int]:
    yield pid
    for thread in Path(f"/proc/{pid}/task").glob("*"):
        with suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            for child in (thread / "children").read_text().split():
                yield from _family(int(child))


def _pss(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
