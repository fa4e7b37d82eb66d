"""Who a worker is, so that others can tell a dead process from a reused process id."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Identity:
    """One process on one boot of one host. `boot` and `pid_started` are empty where the system does not tell."""

    host: str
    boot: str
    pid: int
    pid_started: str


def own() -> Identity:
    """This process."""
    return Identity(socket.gethostname(), boot_id(), os.getpid(), pid_started(os.getpid()) or "")


def boot_id() -> str:
    """The kernel's id of this boot; every container on the machine shares it, so the process namespace is part of it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def pid_started(pid: int) -> str | None:
    """When a process started, in the kernel's ticks; None when there is no such process, or only its remains."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat[stat.rindex(")") + 2 :].split()
    return None if fields[0] == "Z" else fields[19]


def is_gone(identity: Identity) -> bool:
    """Whether that process of this very boot has certainly ended. False when it cannot be known."""
    return bool(identity.boot) and identity.boot == boot_id() and pid_started(identity.pid) != identity.pid_started
