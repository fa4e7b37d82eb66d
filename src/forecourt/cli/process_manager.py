"""Keeps child processes running until a signal says stop: relays what they say, and starts those
again that die.

One thread that waits once: signals, the death of a child and its output all wake the same loop.
"""

import signal
import time
from collections.abc import Sequence

from forecourt.cli.child import ChildProcess
from forecourt.cli.merged_output import MergedOutput
from forecourt.cli.stop_signals import StopSignals

NAME = "up"

QUICK = 5.0
"""Seconds of life below which a death counts as quick."""
MOST_QUICK_DEATHS = 3
FIRST_WAIT = 0.5
"""Seconds until a dead child is started again; twice as long after each quick death in a row."""
HURRIED_TIMEOUT = 3.0
"""Seconds that children still get after the second signal."""

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP)


class ProcessManager:
    """Runs `children`. `shutdown_timeout`: seconds that they get to end in order."""

    def __init__(self, children: Sequence[ChildProcess], output: MergedOutput, *, shutdown_timeout: float) -> None:
        self._children = children
        self._output = output
        self._shutdown_timeout = shutdown_timeout
        self._talking: dict[int, ChildProcess] = {}
        self._asked = 0
        self._stop_by: float | None = None
        self._in_order = True

    def run(self) -> int:
        """Until a signal, or until a child died soon after its start three times in a row.

        The first signal is passed on as SIGTERM, the second too and leaves 3 s, the third kills.
        Returns 0 when every child ended in order, else 1.
        """
        self._signals = StopSignals(STOP_SIGNALS, waking=[signal.SIGCHLD])
        try:
            while self._stop_by is None or any(child.is_alive for child in self._children):
                self._run_once()
        finally:
            for child in self._children:
                child.kill()
        return 0 if self._in_order else 1

    def _run_once(self) -> None:
        """One round: start what is due, wait until something happens, and act on it."""
        self._start_what_is_due()
        for descriptor in self._signals.waiter.wait(self._longest_wait()):
            if descriptor in self._talking:
                self._relay(self._talking[descriptor])
        self._handle_signals()
        for child in self._children:
            if child.has_ended():
                self._reap(child)
        if self._output.is_cut and self._stop_by is None:
            self._stop("nobody reads the output any more", self._shutdown_timeout)
        if self._stop_by is not None and time.monotonic() >= self._stop_by:
            for child in self._children:
                child.kill()

    def _longest_wait(self) -> float | None:
        if self._stop_by is not None:
            # Once it is past, all are killed, and each death wakes us.
            return self._stop_by - time.monotonic() if self._stop_by > time.monotonic() else None
        due = [child.start_at for child in self._children if not child.is_alive]
        return max(0.0, min(due) - time.monotonic()) if due else None

    # -- children ----------------------------------------------------------------------------------

    def _start_what_is_due(self) -> None:
        for child in self._children:
            if self._stop_by is None and not child.is_alive and child.start_at <= time.monotonic():
                descriptor = child.start()
                self._signals.waiter.watch(descriptor)
                self._talking[descriptor] = child

    def _relay(self, child: ChildProcess) -> None:
        lines = child.read_lines()
        if lines is None:
            self._forget_output(child)
        else:
            self._output.add(child.name, lines)

    def _reap(self, child: ChildProcess) -> None:
        self._forget_output(child)
        code, lived, last_lines = child.reap()
        self._output.add(child.name, last_lines)
        ended = (
            f"{child.name} ended with exit code {code}" if code >= 0 else f"{child.name} was killed by {_name(-code)}"
        )
        if self._stop_by is not None:
            # One that had not come far enough to handle the SIGTERM had begun nothing.
            if code not in (0, -signal.SIGTERM):
                self._in_order = False
                self._say(ended)
            return
        child.quick_deaths = child.quick_deaths + 1 if lived < QUICK else 0
        if child.quick_deaths == MOST_QUICK_DEATHS:
            self._in_order = False
            why = f"{ended}, the third time in a row within {QUICK:.0f} s of its start; what it said is above"
            self._stop(why, self._shutdown_timeout)
            return
        wait = FIRST_WAIT * 2**child.quick_deaths
        child.start_at = time.monotonic() + wait
        self._say(f"{ended} after {lived:.1f} s, and starts again in {wait:g} s")

    def _forget_output(self, child: ChildProcess) -> None:
        for descriptor, talking in list(self._talking.items()):
            if talking is child:
                self._signals.waiter.forget(descriptor)
                del self._talking[descriptor]

    # -- the end -----------------------------------------------------------------------------------

    def _handle_signals(self) -> None:
        while self._signals.heard:
            name = self._signals.heard.pop(0).name
            self._asked += 1
            if self._asked == 1:
                self._stop(
                    f"{name}: ending in order, for {self._shutdown_timeout:g} s at most; again to hurry",
                    self._shutdown_timeout,
                )
            elif self._asked == 2:
                self._stop(f"{name}: {HURRIED_TIMEOUT:g} s left; again to kill", HURRIED_TIMEOUT)
            else:
                self._stop(f"{name}: killing", 0.0)

    def _stop(self, why: str, shutdown_timeout: float) -> None:
        self._say(why)
        stop_by = time.monotonic() + shutdown_timeout
        self._stop_by = stop_by if self._stop_by is None else min(stop_by, self._stop_by)
        for child in self._children:
            child.terminate()

    def _say(self, words: str) -> None:
        self._output.add(NAME, [words.encode()])


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
