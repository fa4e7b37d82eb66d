"""What a worker takes of its machine: open files, and memory."""

import os
import resource
from pathlib import Path

DESCRIPTORS, DESCRIPTORS_OF_SLOT = 128, 8
"""Open files that a worker may need, and those for each slot."""


def have_descriptors(slots: int) -> None:
    """Raise this process's own limit of open files if so many slots need it. Raises RuntimeError
    where the system does not allow it.
    """
    needed = DESCRIPTORS + DESCRIPTORS_OF_SLOT * slots
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise RuntimeError(f"so many slots need {needed} open files, and the system allows {hard}: raise `ulimit -Hn`")
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def private_memory(pid: int) -> int:
    """Bytes that a process shares with no file; 0 where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        return 0
    return (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE")
