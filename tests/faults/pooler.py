"""PgBouncer in transaction mode between everybody and PostgreSQL."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from faults.site import Site
from fleet import wait_until

SETTINGS = """
[databases]
forecourt = host={server} port=5432 user=forecourt

[pgbouncer]
listen_addr = {listen}
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 8
max_client_conn = 1000
"""

LOCKS = """
SELECT count(*)
FROM pg_locks AS l
JOIN pg_stat_activity AS a USING (pid)
WHERE l.locktype = 'advisory'
  AND a.state = 'idle'
"""


class NoPooler(Exception):
    """There is no PgBouncer here; the message says how to get one."""


@contextmanager
def pgbouncer(server: str, listen: str = "127.0.0.1") -> Iterator[str]:
    """The URL of the database of a server that listens on this address, as seen through PgBouncer.
    Raises NoPooler.
    """
    program = shutil.which("pgbouncer")
    if program is None:
        raise NoPooler("pgbouncer is not on PATH; on Debian: apt-get install pgbouncer")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"postgresql://forecourt@127.0.0.1:{port}/forecourt"
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "pgbouncer.ini"
        settings.write_text(SETTINGS.format(server=server, port=port, listen=listen))
        Path(folder).chmod(0o755)
        command = [program, "-q", *(["-u", "nobody"] if os.geteuid() == 0 else []), str(settings)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: _answers(url), what="PgBouncer")
            yield url
        finally:
            process.terminate()
            process.wait()


def advisory_locks(site: Site) -> int:
    """Locks that would outlast a transaction, and so would be held by whoever gets the connection
    next.
    """
    with psycopg.connect(site.url, autocommit=True) as connection:
        [(count,)] = connection.execute(LOCKS).fetchall()
        return int(count)


def _answers(url: str) -> bool:
    try:
        with psycopg.connect(url, connect_timeout=2) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False
