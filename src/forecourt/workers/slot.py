"""A slot: a process that executes one bundle after the other and does nothing else.

It is forked from the nursery, so the application is loaded. When to stop is its supervisor's decision, who closes the channel, or
kills; the terminal's signals never reach it.
"""

import ctypes
import gc
import logging
import os
import queue
import signal
import socket
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from forecourt.database import engine
from forecourt.database.engine import make_engine, use_engine
from forecourt.jobs.job import registry
from forecourt.store.workers import slot_name
from forecourt.workers.bundle import Inbox, Item, pack_reports, unpack
from forecourt.workers.execution import Execution
from forecourt.workers.footprint import Footprint
from forecourt.workers.marks import Marks
from forecourt.workers.tail import Tail

PR_SET_PDEATHSIG = 1

_writing = threading.Lock()
"""Lines that are longer than what the kernel writes at once must not mix."""


@dataclass(frozen=True, slots=True)
class Birth:
    """What a slot is told when it is born: its number among the worker's slots, how many calls each may run at once, and where to
    leave its marks."""

    number: int
    worker: int
    slots: int
    at_once: int
    marks: str


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends. Linux only; elsewhere the closed channel ends it."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def run_slot(birth: Birth, channel: socket.socket, reporting: int) -> None:
    """Execute what comes through `channel`, a sequential-packet socket, until its other end is closed, and write reports to the
    pipe `reporting`."""
    parent = os.getppid()
    die_with_parent()
    if os.getppid() != parent:
        return
    use_engine(make_engine(pool_size=birth.at_once, application_name=slot_name(birth.worker), spotless=True))
    marks = Marks(Path(birth.marks), birth.slots * birth.at_once)
    cell = birth.number * birth.at_once
    cells = queue.SimpleQueue[int]()
    for number in range(birth.at_once):
        cells.put(cell + number)
    tail = Tail()
    logging.getLogger().addHandler(tail)
    execution = Execution(registry, engine, tail)
    inbox = Inbox()
    pool = ThreadPoolExecutor(birth.at_once)
    footprint = Footprint((channel.fileno(), reporting))
    gc.freeze()
    try:
        while message := inbox.receive(channel, wait=True):
            job, threads, items = unpack(message)
            if threads > 1:
                pool.submit(_execute, execution, job, items, reporting, marks, cells)
                continue
            # Which call of several is to blame for a crash cannot be known, so none is marked.
            marks.set(cell, items[0].id if len(items) == 1 else 0)
            reports = execution.run(job, items)
            if not footprint.holds():
                sys.exit(f"job {job} closed descriptors that are not its own, so its slot ends with it")
            footprint.restore()
            marks.clear(cell)
            _write(reporting, pack_reports(reports))
    except BrokenPipeError:
        return  # the supervisor is gone, and whoever takes over finds out by itself
    finally:
        pool.shutdown()


def _execute(
    execution: Execution, job: str, items: list[Item], reporting: int, marks: Marks, cells: queue.SimpleQueue[int]
) -> None:
    """One of several at once, in a thread of the pool. What goes wrong here nobody would hear of, so it ends the slot."""
    try:
        cell = cells.get_nowait()  # there are as many as threads
        marks.set(cell, items[0].id)
        lines = pack_reports(execution.run(job, items))
        marks.clear(cell)
        cells.put(cell)
        with suppress(BrokenPipeError), _writing:
            _write(reporting, lines)
    except BaseException:  # noqa: BLE001 - see above
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


def _write(descriptor: int, lines: bytes) -> None:
    """Write all of it, however long: a pipe takes what fits and makes the writer wait."""
    written = os.write(descriptor, lines)
    while written < len(lines):
        written += os.write(descriptor, lines[written:])
