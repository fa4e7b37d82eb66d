"""A data directory of PostgreSQL: how it is made, to whom it belongs, and where its socket is."""

import hashlib
import os
import re
import shutil
import stat
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from forecourt.database.binaries import Account, Binaries, PrivateServerError, name_of

ACCESS = """\
# Written at each start.
local all forecourt peer map=forecourt
local all all scram-sha-256
"""
WRITE_ACCESS = 'umask 077; printf %s "$1" > "$PGDATA/pg_hba.conf" && printf %s "$2" > "$PGDATA/pg_ident.conf"'


class Cluster:
    """A data directory that exists. Its server may run or not.

    Made by root, it belongs to an account that may have no way to it, as under /root. Nothing is
    opened up for that account, nor is the data moved away: its programs inherit the open directory,
    and call it /proc/self/fd/N.
    """

    def __init__(self, data: Path) -> None:
        self.data = data.resolve()
        self.account = Account.owning(self.data)

    @classmethod
    def create(cls, data: Path, binaries: Binaries, *, durable: bool) -> "Cluster":
        """Make a new data directory, whole or not at all."""
        account = Account.for_new_data()
        initdb = binaries.runnable_by(account).folder / "initdb"
        # A name of its own, because the initdb of a start that was killed may still be at work.
        unfinished = Path(tempfile.mkdtemp(prefix=f"{data.name}.unfinished.", dir=data.parent))
        try:
            if account.is_lent:
                os.chown(unfinished, account.uid, account.gid)
            made = cls(unfinished).run(
                [
                    str(initdb),
                    "--username=forecourt",
                    # Until `guard` says otherwise. By TCP nobody gets in, should it ever be opened.
                    "--auth-local=peer",
                    "--auth-host=reject",
                    "--encoding=UTF8",
                    "--locale=C.UTF-8",
                    *([] if durable else ["--no-sync"]),
                ],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            if made.returncode:
                raise PrivateServerError(
                    f"initdb could not make {data}. It said:\n{made.stdout.decode(errors='replace')}"
                )
            unfinished.rename(data)
        finally:
            for left_behind in data.parent.glob("pg*.unfinished.*"):
                shutil.rmtree(left_behind, ignore_errors=True)
        return cls(data)

    def guard(self) -> None:
        """Write down who may connect: to the role `forecourt` the user that runs Forecourt, as the
        kernel says who it is; to other roles whoever has their password. The account that root
        lends its server to is not among them: others run as nobody too.

        Written by that account, since root must not follow what it may have put into its own
        folder.
        """
        # Whoever made the folder that the data lie in, which for a lent account is root; and root,
        # whom nothing keeps out.
        users = {name_of(uid) for uid in (0, os.geteuid(), self.data.parent.stat().st_uid)}
        names = "".join(f'forecourt "{user}" forecourt\n' for user in sorted(users))
        written = self.run(["/bin/sh", "-c", WRITE_ACCESS, "sh", ACCESS, names])
        if written.returncode:
            raise PrivateServerError(f"pg_hba.conf and pg_ident.conf in {self.data} cannot be written.")

    @property
    def major(self) -> int:
        """The major version of PostgreSQL that wrote the data."""
        try:
            return int((self.data / "PG_VERSION").read_text())
        except (OSError, ValueError) as error:
            raise PrivateServerError(
                f"{self.data} is not a data directory of PostgreSQL: no PG_VERSION can be read in it. "
                "Move it away to start with an empty database."
            ) from error

    @property
    def url(self) -> str:
        """Where the database is, for libpq and SQLAlchemy alike."""
        return self._url_of("forecourt")

    def _url_of(self, database: str) -> str:
        # The port is in the socket's name, and a PGPORT in the environment is meant for another
        # server.
        address = f"postgresql://forecourt@/{database}?host={quote(str(self.socket_folder))}&port=5432"
        if self.socket_folder == self.data:
            return address
        # While no server runs, anybody could make that folder, and listen there.
        return f"{address}&requirepeer={quote(self.account.name)}"

    @property
    def socket_folder(self) -> Path:
        """The data directory, or a folder in /tmp, there while the server is, when that path is too
        long, or too odd, for a socket's.

        A socket's path has 107 bytes on Linux and 103 on macOS, and libpq splits a host at commas.
        Raises PrivateServerError for a folder in /tmp that is another's.
        """
        if re.fullmatch(r"[\w./ -]{1,88}", str(self.data), re.ASCII):
            return self.data
        name = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:12]
        # Not in $XDG_RUNTIME_DIR or $TMPDIR: cron's environment must lead to the same socket as the
        # terminal's.
        folder = Path(f"/tmp/forecourt-{self.account.uid}-{name}")  # noqa: S108
        with suppress(FileNotFoundError):
            found = folder.lstat()
            mode = stat.S_IMODE(found.st_mode)
            if (found.st_uid, mode, stat.S_ISDIR(found.st_mode)) != (self.account.uid, 0o700, True):
                raise PrivateServerError(
                    f"{folder} should be a folder that only uid {self.account.uid} can open. Remove it."
                )
        return folder

    def make_socket_folder(self) -> None:
        """Make the one in /tmp, where it is that, whole or not at all."""
        if not self.socket_folder.exists():
            unfinished = tempfile.mkdtemp(dir=self.socket_folder.parent)
            if self.account.is_lent:
                os.chown(unfinished, self.account.uid, self.account.gid)
            Path(unfinished).rename(self.socket_folder)

    def remove_socket_folder(self) -> None:
        """Leave nothing in /tmp. The server must have stopped."""
        if self.socket_folder != self.data:
            with suppress(OSError):  # somebody put something into it, or removed it
                self.socket_folder.rmdir()

    def run(self, command: list[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
        """Run a program of PostgreSQL on this directory, as its account, with nothing of our
        environment.
        """
        directory = os.open(self.data, os.O_RDONLY)
        path = f"/proc/self/fd/{directory}"
        inherit = self.account.is_lent and Path(path).exists()
        try:
            return subprocess.run(
                command,
                cwd="/",
                env={"PATH": os.defpath, "LC_ALL": "C", "PGDATA": path if inherit else str(self.data)},
                pass_fds=[directory] if inherit else [],
                stdin=subprocess.DEVNULL,
                **self.account.popen_options(),
                **options,
            )
        finally:
            os.close(directory)

    def create_database(self) -> None:
        """Create the database `forecourt` unless it exists. The server must be ready. Raises
        psycopg.Error.
        """
        with psycopg.connect(self._url_of("postgres"), autocommit=True, connect_timeout=10) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = 'forecourt'").fetchone()
            if known is None:
                connection.execute("CREATE DATABASE forecourt")

    def recovers(self) -> bool:
        """Whether the server runs and lets nobody in yet."""
        address = f"{self._url_of('postgres')}&connect_timeout=10"
        return psycopg.pq.PGconn.ping(address.encode()) == psycopg.pq.Ping.REJECT
