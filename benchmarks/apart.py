"""A process of its own for what is measured, so that its memory is its own too."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def apart(work: Callable[..., T], *args: object) -> tuple[T, float]:
    """Run `work` in a new process that runs nothing else. Returns its result and the process's peak
    memory in MB.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        result = process.submit(work, *args).result()
        return result, process.submit(_peak).result()


def _peak() -> float:
    """Of this program alone: ru_maxrss would count what the parent had before the exec."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024
