"""The server of one cluster: started, found again, and stopped.

The truth about it is its socket: while that accepts connections the server lives, and the kernel
says which process listens. postmaster.pid is no such truth. After a crash it may name a dead
process, a zombie (which PostgreSQL takes for alive), a stranger who got the number since, or
nobody, because it was half written.
"""

import os
import signal
import socket
import struct
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from shutil import disk_usage

from forecourt.database.binaries import Binaries, PrivateServerError
from forecourt.database.cluster import Cluster

START_SECONDS = 300.0
"""Recovery after a crash may take minutes. A server that dies while it starts is noticed at
once.
"""

STOP_SECONDS = 60.0
POLL_SECONDS = 0.003
ALMOST_NOTHING = 1 << 20
"""Bytes of a disk with which PostgreSQL does not start."""

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "128MB",
    "max_connections": "200",
    "wal_level": "minimal",  # no replica will ever read it
    "max_wal_senders": "0",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "autovacuum_naptime": "10s",  # the queue's tables turn over within seconds
    "jit": "off",
    "client_connection_check_interval": "1s",  # the query of a killed client ends, and frees its locks
    "log_checkpoints": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "search_path": "public",  # "$user" is the engine's schema here, so an unqualified CREATE TABLE would land in it
}
NOT_DURABLE = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "dynamic_shared_memory_type": "mmap",  # in the data directory, and gone with it, also after a kill
}


class Postmaster:
    """The server of a cluster, running or not. Whoever starts or stops it holds the lock of its
    `PrivateServer`.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def pid(self) -> int | None:
        """The process that listens on the socket (0: in another container), or None when none
        does.
        """
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(self.cluster.socket_folder / ".s.PGSQL.5432"))
            except (FileNotFoundError, ConnectionRefusedError):
                return None
            if not hasattr(socket, "SO_PEERCRED"):  # macOS; as the server lives, its file is right
                return int((self.cluster.data / "postmaster.pid").read_text().split()[0])
            pid: int = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
            return pid

    def is_ready(self) -> bool:
        """Whether the server runs and accepts queries."""
        # In this order a server that still starts is not disturbed.
        return self._last_word() == "ready" and self.pid() is not None

    def start(self, binaries: Binaries, log: Path, *, durable: bool) -> None:
        """Return when the server accepts queries: one that is just starting, or a new one."""
        deadline = time.monotonic() + START_SECONDS
        launched = log_offset = 0
        while not self.is_ready():
            if self._last_word() == "stopping":
                self.stop()  # by SIGTERM somebody left it waiting for its sessions
            if self.pid() is None and not (launched and _is_alive(launched)):
                if launched:
                    self._end_orphans_or_raise(log, log_offset)
                log_offset = log.stat().st_size if log.exists() else 0
                launched = self._launch(binaries, log, durable=durable)
            if time.monotonic() > deadline:
                raise PrivateServerError(
                    f"PostgreSQL is not ready after {START_SECONDS:.0f} s. {_why(log, log_offset)}"
                )
            time.sleep(POLL_SECONDS)

    def stop(self) -> bool:
        """Stop the server: its sessions end, their open transactions roll back. False when it did
        not run.
        """
        pid = self.pid()
        if pid is None:
            return False
        if pid == 0:
            raise PrivateServerError(f"PostgreSQL in {self.cluster.data} runs in another container. Stop it there.")
        # One that is about to recover may take the first order and never end.
        first = [] if self.cluster.recovers() else [(signal.SIGINT, STOP_SECONDS)]
        for order, patience in (*first, (signal.SIGQUIT, 10.0)):
            deadline = time.monotonic() + patience
            with suppress(ProcessLookupError):
                os.kill(pid, order)
            while time.monotonic() < deadline:
                if not _is_alive(pid):
                    self.cluster.remove_socket_folder()
                    return True
                time.sleep(POLL_SECONDS)
        raise PrivateServerError(f"PostgreSQL in {self.cluster.data}, process {pid}, does not stop.")

    def _last_word(self) -> str:
        """What the postmaster wrote last: starting, ready or stopping; nothing when it has not come
        so far.
        """
        try:
            lines = (self.cluster.data / "postmaster.pid").read_text().split("\n")
        except FileNotFoundError:
            return ""
        return lines[7].strip() if len(lines) > 7 else ""

    def _launch(self, binaries: Binaries, log: Path, *, durable: bool) -> int:
        """Start a postmaster where none listens, in a session of its own, and return its pid."""
        cluster = self.cluster
        cluster.make_socket_folder()
        # PostgreSQL would respect these if their pid now belongs to a zombie or to a stranger.
        # Should a server live after all, the new one finds its shared memory in use.
        for left_behind in (cluster.data / "postmaster.pid", *cluster.socket_folder.glob(".s.PGSQL.*")):
            left_behind.unlink(missing_ok=True)
        cluster.guard()
        settings = SETTINGS | ({} if durable else NOT_DURABLE)
        settings["unix_socket_directories"] = str(cluster.socket_folder)
        if cluster.socket_folder == cluster.data:
            settings["unix_socket_directories"] = "."  # the account may not know a longer path
        postgres = binaries.runnable_by(cluster.account).folder / "postgres"
        command = [str(postgres), *(f"--{name}={value}" for name, value in settings.items())]
        log.touch(mode=0o600)  # it quotes statements
        with log.open("ab") as output:
            # Started through a shell it is a child of init: it outlives this process, which so need
            # not wait for it.
            shell = cluster.run(
                ["/bin/sh", "-c", '"$@" >&2 & echo $!', "sh", *command],
                stdout=subprocess.PIPE,
                stderr=output,
                start_new_session=True,
                check=True,
            )
        return int(shell.stdout)

    def _end_orphans_or_raise(self, log: Path, log_offset: int) -> None:
        """After a failed launch: make way for another one, if the reason is a killed postmaster's
        working sessions.

        They notice its death only between queries, which may take hours, and until then keep its
        shared memory.
        """
        if "is still in use" not in _said(log, log_offset):
            raise PrivateServerError(f"PostgreSQL does not start. {_why(log, log_offset)}")
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # gone meanwhile, or another user's
                is_ours = (process / "cwd").readlink() == self.cluster.data
                if is_ours and (process / "comm").read_text().startswith("postgres"):
                    os.kill(int(process.name), signal.SIGKILL)


def _is_alive(pid: int) -> bool:
    """Whether the process runs. A zombie does not: in a container, init may leave it so for
    ever.
    """
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, PermissionError):  # ended, perhaps long ago, and its number is another user's now
        return False
    except FileNotFoundError:  # no /proc (macOS), or it ended between the two lines: the next call will tell
        return True


def _said(log: Path, offset: int) -> str:
    with log.open("rb") as output:
        output.seek(offset)
        return output.read().decode(errors="replace")


def _why(log: Path, offset: int) -> str:
    """What the log ends with. On a full disk PostgreSQL could not write it down; with a little room
    it could, and still not begin its next segment of the log of changes."""
    said = _said(log, offset)
    if disk_usage(log).free < ALMOST_NOTHING or "No space left on device" in said:
        return f"The disk of {log.parent} is full: make room, 100 MB at least; nothing of the data is lost."
    return f"{log} ends with:\n" + "\n".join(said.splitlines()[-15:])
