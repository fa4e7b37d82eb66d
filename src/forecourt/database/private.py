"""The private PostgreSQL of a machine without FORECOURT_DATABASE_URL: who uses it, and who stops
it.

Each process that uses the server holds a shared lock on a file. The last one out is the one that
can make it exclusive, and stops the server. The kernel takes the lock back from a killed process,
so no pids are written down, and none go stale.
"""

import atexit
import fcntl
import os
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from forecourt.database.binaries import Binaries, PrivateServerError, find_binaries
from forecourt.database.cluster import Cluster
from forecourt.database.postmaster import START_SECONDS, Postmaster

__all__ = ["PrivateServer", "PrivateServerError"]

RECOVERY_POLL_SECONDS = 0.05


class PrivateServer:
    """A real PostgreSQL under `root`, private to this user: a unix socket only, no TCP.

    The server outlives an owner that is killed, and the next `start` finds it. A forked child is no
    owner until it calls `start` itself. `durable=False` gives up safety in a power cut for speed,
    and is for tests only.
    """

    def __init__(self, root: Path, *, durable: bool = True) -> None:
        self.root = root.absolute()
        self.durable = durable
        self._share: int | None = None
        _servers.add(self)

    def start(self) -> str:
        """Attach to the server, or start it, and return the URL of its database `forecourt`.

        The first start makes the data directory and the database. This process is then an owner,
        until it ends or calls `release`. May be called again, to be sure that the server runs.
        Raises PrivateServerError.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with self._alone(), self._as_owner():
                return self._serving_cluster().url
        except OSError as error:
            raise PrivateServerError(
                f"The private PostgreSQL cannot use {self.root}: {error}. Choose another folder with FORECOURT_VAR."
            ) from error

    def release(self) -> None:
        """This owner is done; the last one out stops the server. May be called twice, and before
        `start`.
        """
        if self._share is not None:
            with suppress(FileNotFoundError), self._alone():  # `root` was removed: PostgreSQL sees that by itself
                self._leave()

    def stop(self) -> bool:
        """Stop the server now, whoever uses it. False when it was not running."""
        if not self.root.is_dir():
            return False
        with self._alone():
            return self._stop()

    def _serving_cluster(self) -> Cluster:
        deadline, refusal = time.monotonic() + START_SECONDS, ""
        while True:
            ready = [cluster for cluster in self._clusters() if Postmaster(cluster).is_ready()]
            cluster = ready[0] if ready else self._launched()
            try:
                cluster.create_database()
            except psycopg.Error as error:
                # It may have died right now; and after the death of one of its processes, by the
                # kernel's killer as a rule, it recovers, as ready as before by what it has written.
                lasts = str(error) == refusal and not cluster.recovers()
                if lasts or time.monotonic() > deadline:
                    raise PrivateServerError(
                        f"PostgreSQL in {cluster.data} runs, and refuses this process: {error}"
                    ) from error
                refusal = str(error)
                time.sleep(RECOVERY_POLL_SECONDS)
            else:
                return cluster

    def _launched(self) -> Cluster:
        binaries = find_binaries()
        cluster = self._cluster_for(binaries)
        Postmaster(cluster).start(binaries, self.root / "server.log", durable=self.durable)
        return cluster

    def _cluster_for(self, binaries: Binaries) -> Cluster:
        data = self.root / f"pg{binaries.major}"
        clusters = self._clusters()
        if not clusters:
            return Cluster.create(data, binaries, durable=self.durable)
        for cluster in clusters:
            if cluster.major == binaries.major:
                return cluster
        newest = clusters[-1]
        # An empty database of the new version beside it would look as if everything was lost.
        raise PrivateServerError(
            f"{newest.data} was written by PostgreSQL {newest.major}, and {binaries.folder} holds PostgreSQL "
            f"{binaries.major}. Set FORECOURT_PG_BIN to the bin folder of a PostgreSQL {newest.major}; or move the "
            "data away to start with an empty database (dump it first, with pg_dump, to load it into the new one)."
        )

    def _clusters(self) -> list[Cluster]:
        return [Cluster(data) for data in sorted(self.root.glob("pg[1-9][0-9]"))]

    def _stop(self) -> bool:
        stopped = [Postmaster(cluster).stop() for cluster in self._clusters()]
        return any(stopped)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time starts, joins, leaves or stops, so nobody joins a server that is
        just being stopped.
        """
        try:
            lock = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except PermissionError as error:
            raise PrivateServerError(
                f"{self.root} is another user's: {error}. Run as that user, or choose another folder "
                "with FORECOURT_VAR."
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)  # closing is not enough: a child forked meanwhile has it open too
            os.close(lock)

    @contextmanager
    def _as_owner(self) -> Iterator[None]:
        """Become an owner, unless the block raises."""
        if self._share is not None:
            yield
            return
        self._share = os.open(self.root / "owners", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._share, fcntl.LOCK_SH)
        atexit.register(self.release)
        try:
            yield
        except BaseException:
            self._leave()
            raise

    def _leave(self) -> None:
        share, self._share = self._share, None
        if share is None:
            return
        atexit.unregister(self.release)
        try:
            fcntl.flock(share, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # not the last one
        else:
            self._stop()
        finally:
            fcntl.flock(share, fcntl.LOCK_UN)
            os.close(share)

    def _disown(self) -> None:
        """In a forked child: the share is the parent's, and must end with the parent."""
        if self._share is not None:
            os.close(self._share)
            self._share = None


_servers: "weakref.WeakSet[PrivateServer]" = weakref.WeakSet()


def _disown_all() -> None:
    for server in list(_servers):
        server._disown()


os.register_at_fork(after_in_child=_disown_all)
