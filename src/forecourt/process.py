"""Who a process is, so that others can tell a dead one from a reused process id, how it is forked,
and how it dies with its parent.
"""

import ctypes
import gc
import os
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from forecourt.settings import settings

PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15


@dataclass(frozen=True, slots=True)
class Identity:
    """One process on one boot of one host. `boot` and `pid_started` are empty where the system does
    not tell.
    """

    host: str
    boot: str
    pid: int
    pid_started: str


forks = 0
"""How many forks lie between the first process of this program and this one, so that a child can be
told from its parent without asking the kernel."""


def _count_fork() -> None:
    global forks
    forks += 1


os.register_at_fork(after_in_child=_count_fork)


def hostname() -> str:
    """What this machine is called: FORECOURT_HOST, or the system's own name."""
    return settings().host or socket.gethostname()


def open_files(wanted: int) -> int:
    """How many files this process may open: `wanted`, for which its own limit is raised, or fewer
    where the system allows no more.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed


def own_queue(host: str) -> str:
    """The queue that only this host's workers serve: for tasks that run on every server."""
    return f"@{host}"


def own() -> Identity:
    """This process."""
    return Identity(hostname(), boot_id(), os.getpid(), pid_started(os.getpid()) or "")


@cache
def boot_id() -> str:
    """The kernel's id of this boot; every container on the machine shares it, so the process
    namespace is part of it.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def pid_started(pid: int) -> str | None:
    """When a process started, in the kernel's ticks; None when there is no such process, or only
    its remains, or it is hidden.
    """
    fields = _stat(pid)
    return None if fields is None or fields[0] == "Z" else fields[19]


def _is_zombie(pid: int) -> bool:
    fields = _stat(pid)
    return fields is not None and fields[0] == "Z"


def _stat(pid: int) -> list[str] | None:
    """What the kernel tells of a process, from its state on; None when it tells nothing."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return stat[stat.rindex(")") + 2 :].split()


def is_gone(identity: Identity) -> bool:
    """Whether that process of this very boot has certainly ended. False when it cannot be known:
    /proc may hide the processes of other users, and then there is somebody with that process id,
    and no telling who."""
    if not identity.boot or identity.boot != boot_id():
        return False
    started = pid_started(identity.pid)
    if started is None:
        return not _exists(identity.pid) or _is_zombie(identity.pid)
    return bool(identity.pid_started) and started != identity.pid_started


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # there is somebody, and it is another user's
    return True


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends. Linux only."""
    if sys.platform == "linux":
        _libc().prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def entitle(title: str) -> None:
    """Have `ps` and `top` show this process by that instead of the command line of the one that it
    was forked from, as far as that has room. Linux only."""
    if sys.platform == "linux":
        begin, room = _command_line()
        ctypes.memmove(begin, title.encode()[: max(0, room - 1)].ljust(room, b"\0"), room)
        _libc().prctl(PR_SET_NAME, title.encode()[:15])


@cache
def _command_line() -> tuple[int, int]:
    """Where the kernel finds it, and how many bytes it has; the same in a fork."""
    fields = _stat(os.getpid())
    begin, end = map(int, fields[45:47]) if fields else (0, 0)
    return begin, end - begin


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)  # once, since each costs a process 200 kB


def share() -> None:
    """Have what is loaded stay where it is and as it is, so that children that are forked from now
    on share it."""
    gc.collect()
    gc.freeze()
    # It counts a reference to each name that was looked up, and each later lookup may drop one.
    sys._clear_type_cache()


def fork(live: Callable[[], object]) -> int:
    """Fork a child that lives so, and then ends without its parent's clean-up. Returns its process
    id. Only for a process with one thread."""
    _flush()  # else the child would say it again
    if pid := os.fork():
        return pid
    status = 1
    try:
        live()
        status = 0
    except BaseException:  # noqa: BLE001 - the last frame of this process: nothing above could print it
        traceback.print_exc()
    finally:
        _flush()
        os._exit(status)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # it may be closed, or nobody may read it any more
            stream.flush()
