"""How much CPU a command costs, from the start of its process to its end: help, and how long the
queues are.

Children are reaped with `wait4`, which tells what each of them used: user and system time,
interpreter and imports included.
"""

import os
import subprocess
import sys

from benchmarks.ground import Ground
from benchmarks.jobs import nothing
from benchmarks.measure import Figures, Row, Scale, at_most

RUNS = 10
WAITING = 1_000


def measure(ground: Ground, scale: Scale) -> list[Row]:
    """Both commands in turn, each as often as makes a median."""
    with ground.fresh():
        nothing.dispatch_many([{"n": n} for n in range(scale.of(WAITING))])
        bare, helping, sizing = [], [], []
        for _ in range(max(scale.of(RUNS), scale.rounds)):
            bare.append(_cpu("-c", "pass"))
            helping.append(_cpu("-m", "forecourt", "--help", says="Usage: forecourt"))
            sizing.append(_cpu("-m", "forecourt", "queue", "size", "--json", says='"queue": "default"'))
    beside = f"no peer; the interpreter alone {_seconds(bare)}"
    return [
        at_most("CPU of forecourt --help", 0.15, _seconds(helping), beside),
        at_most("CPU of forecourt queue size --json", 0.35, _seconds(sizing), beside),
    ]


def _cpu(*arguments: str, says: str = "") -> float:
    """Seconds of CPU that the process used."""
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as printed:
        said = printed.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{arguments} ended with {process.returncode}"
    assert says in said, said
    return used.ru_utime + used.ru_stime


def _seconds(measured: list[float]) -> Figures:
    return Figures(tuple(measured), " s")
