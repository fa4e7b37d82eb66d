"""What a worker takes of its machine: open files, and memory."""

import errno
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from forecourt.process import open_files

DESCRIPTORS, DESCRIPTORS_OF_SLOT = 128, 8
"""Open files that a worker may need, and those for each slot."""


def have_descriptors(slots: int) -> None:
    """Raise this process's own limit of open files if so many slots need it. Raises OSError where
    the system does not allow it.
    """
    needed = DESCRIPTORS + DESCRIPTORS_OF_SLOT * slots
    if (allowed := open_files(needed)) < needed:
        words = f"{slots} slots need {needed} open files, and the system allows {allowed}: raise `ulimit -Hn`"
        raise OSError(errno.EMFILE, words)


def private_memory(pid: int) -> int:
    """Bytes that a process shares with no file; 0 where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        return 0
    return (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE")


AGAIN = 15.0
"""Seconds between two readings of a process's memory, once there are a few."""
FEW = 3


class Memory:
    """What processes take together: the sum of their proportional set sizes (PSS), in which a page
    that several share counts once. A fork shares most of what it was forked from: by RSS a worker
    of eight slots seemed to take three times what it does.

    Such a reading costs the kernel 1 to 2 ms, so a look reads one at most, the one that was not
    read for the longest time.
    """

    def __init__(self, pids: Callable[[], Sequence[int]]) -> None:
        self._pids = pids
        self._known: dict[int, int] = {}
        self._again_at = 0.0

    def look(self) -> int | None:
        """Bytes; who was not read yet counts as the others do on average. None where the system
        does not tell.
        """
        pids = self._pids()
        known = {pid: size for pid, size in self._known.items() if pid in pids}
        now = time.monotonic()
        if len(known) < min(FEW, len(pids)) or now >= self._again_at:
            self._again_at = now + AGAIN
            pid = next((pid for pid in pids if pid not in known), None) or next(iter(known))
            known.pop(pid, None)
            size = _proportional(pid)
            if size is not None:
                known[pid] = size  # at the end, so that it is the last to be read again
        self._known = known
        return sum(known.values()) * len(pids) // len(known) if known else None


def _proportional(pid: int) -> int | None:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), None)
