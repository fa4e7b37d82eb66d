"""A primary and a streaming standby of it, made with the private server's programs."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import psycopg

from forecourt.database import cluster, postmaster
from forecourt.database.binaries import find_binaries
from forecourt.database.cluster import Cluster
from forecourt.database.postmaster import Postmaster

STREAMS = {"wal_level": "replica", "max_wal_senders": "4", "listen_addresses": ""}
GUEST = "forecourt_reader"
PASSWORD = "streams"
LET_IN = "local replication all scram-sha-256\n"
PATIENCE = 60.0


class Pair:
    """Two servers: `primary` and `standby` are the URLs of the database `forecourt` in them."""

    def __init__(self, first: Cluster, second: Cluster) -> None:
        self.first, self.second = first, second
        self.primary = first.url
        self.standby = second.url

    def on_standby(self, statement: str) -> Any:
        """What a statement says there."""
        with psycopg.connect(self.standby, autocommit=True) as connection:
            row = connection.execute(statement.encode()).fetchone()
        return None if row is None else row[0]

    def catch_up(self) -> None:
        """Wait until the standby has all that the primary has now."""
        with psycopg.connect(self.primary, autocommit=True) as connection:
            [place] = connection.execute("SELECT pg_current_wal_insert_lsn()::text").fetchone() or [""]
        wait_for(lambda: self.on_standby(f"SELECT pg_last_wal_replay_lsn() >= '{place}'"))


def wait_for(found: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def pair(*, durable: bool = False) -> Iterator[Pair]:
    """A running pair. The settings of private servers that it needs are put back at the end."""
    settings, access = dict(postmaster.SETTINGS), cluster.ACCESS
    postmaster.SETTINGS.update(STREAMS)
    cluster.ACCESS += LET_IN
    try:
        with TemporaryDirectory(prefix="forecourt-pair-") as made:
            folder = Path(made)
            folder.chmod(0o711)  # the account that root lends to both has to find one from the other
            with ExitStack() as stack:
                yield _started(folder, stack, durable)
    finally:
        postmaster.SETTINGS.clear()
        postmaster.SETTINGS.update(settings)
        cluster.ACCESS = access


def _started(folder: Path, stack: ExitStack, durable: bool) -> Pair:
    programs = find_binaries()
    first = Cluster.create(folder / f"pg{programs.major}", programs, durable=durable)
    stack.callback(Postmaster(first).stop)
    Postmaster(first).start(programs, folder / "primary.log", durable=durable)
    first.create_database()
    with psycopg.connect(first.url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {GUEST} LOGIN REPLICATION PASSWORD '{PASSWORD}'".encode())
    second = _copied(first, folder / "standby")
    stack.callback(Postmaster(second).stop)
    Postmaster(second)._launch(programs, folder / "standby.log", durable=durable)
    wait_for(lambda: _answers(second.url))
    return Pair(first, second)


def _copied(first: Cluster, place: Path) -> Cluster:
    programs = find_binaries().runnable_by(first.account)
    source = f"postgresql://{GUEST}:{PASSWORD}@/?host={quote(str(first.socket_folder))}&port=5432"
    subprocess.run(
        [programs.folder / "pg_basebackup", "-d", source, "-D", place, "-R", "-X", "stream", "-c", "fast", "-N"],
        check=True,
        capture_output=True,
    )
    if first.account.is_lent:
        for path in (place, *place.rglob("*")):
            os.chown(path, first.account.uid, first.account.gid)
    return Cluster(place)


def _answers(url: str) -> bool:
    with suppress(psycopg.OperationalError), psycopg.connect(url):
        return True
    return False
