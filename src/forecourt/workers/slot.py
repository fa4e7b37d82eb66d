"""A slot: a process that executes one bundle after the other and does nothing else.

It is forked from the nursery, so the application is loaded. When to stop is its supervisor's decision, who closes the channel, or
kills; the terminal's signals never reach it.
"""

import ctypes
import gc
import logging
import os
import signal
import socket
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from forecourt.database import engine
from forecourt.database.engine import make_engine, use_engine
from forecourt.jobs.job import registry
from forecourt.store.workers import slot_name
from forecourt.workers.bundle import Report, pack_reports, unpack
from forecourt.workers.execution import Execution
from forecourt.workers.marks import Marks
from forecourt.workers.tail import Tail

LARGEST_MESSAGE = 200 * 1024
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Birth:
    """What a slot is told when it is born: its number among the worker's slots, and where to leave its marks."""

    number: int
    worker: int
    slots: int
    marks: str


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends. Linux only; elsewhere the closed channel ends it."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def run_slot(birth: Birth, channel: socket.socket) -> None:
    """Execute what comes through `channel`, a sequential-packet socket, until its other end is closed."""
    parent = os.getppid()
    die_with_parent()
    if os.getppid() != parent:
        return
    use_engine(make_engine(pool_size=1, pre_ping=False, application_name=slot_name(birth.worker)))
    marks = Marks(Path(birth.marks), birth.slots)
    tail = Tail()
    logging.getLogger().addHandler(tail)
    execution = Execution(registry, engine, tail)
    gc.freeze()
    while message := _next(channel):
        job, items = unpack(message)
        # Which call of a batch is to blame for a crash cannot be known, so none is marked.
        marks.set(birth.number, items[0].id if len(items) == 1 else 0)
        reports = execution.run(job, items)
        marks.clear(birth.number)
        try:
            for part in _messages(reports):
                channel.sendall(part)
        except BrokenPipeError:
            return  # the supervisor is gone, and whoever takes over finds out by itself


def _next(channel: socket.socket) -> bytes:
    """The next message; empty when the supervisor is gone."""
    try:
        return channel.recv(LARGEST_MESSAGE)
    except ConnectionResetError:
        return b""


def _messages(reports: list[Report]) -> list[bytes]:
    """Reports in as many messages as the channel needs."""
    whole = pack_reports(reports)
    if len(whole) <= LARGEST_MESSAGE // 2:
        return [whole]
    if len(reports) == 1:
        # JSON spells a control character in six; the outcome alone always fits.
        return [whole if len(whole) <= LARGEST_MESSAGE else pack_reports([replace(reports[0], log=())])]
    half = len(reports) // 2
    return _messages(reports[:half]) + _messages(reports[half:])
