"""The least between a dispatch and the first line of its function, on PostgreSQL:
`python -m benchmarks.bare_listener URL`.

The dispatch inserts a row and notifies, one statement and one durable commit. The listener wakes
up, moves the row to those that run, one statement and one durable commit, and begins. Nothing is
checked, looked up or watched.
"""

import os
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psycopg

from benchmarks.ground import Ground
from benchmarks.queues import ROOT, fresh_marks
from benchmarks.worker import Workers, working

MAKE = """
CREATE TABLE bare_ready (id bigserial PRIMARY KEY, sent_ns bigint NOT NULL);
CREATE TABLE bare_running (id bigint PRIMARY KEY, sent_ns bigint NOT NULL, started_at timestamptz NOT NULL DEFAULT now());
"""

DISPATCH = """
WITH entered AS (
    INSERT INTO bare_ready (sent_ns)
    VALUES (%s)
    RETURNING id
)
SELECT pg_notify('bare', '')
FROM entered
"""

CLAIM = """
WITH claimed AS (
    DELETE FROM bare_ready
    WHERE id = (
        SELECT id
        FROM bare_ready
        ORDER BY id
        LIMIT 1
        FOR UPDATE SKIP LOCKED
    )
    RETURNING id, sent_ns
)
INSERT INTO bare_running (id, sent_ns)
SELECT id, sent_ns
FROM claimed
RETURNING sent_ns
"""


class BareListener:
    """The loop as one of the queues that are measured."""

    name = "a bare LISTEN/NOTIFY loop"

    def __init__(self, url: str, folder: Path) -> None:
        self.marks = fresh_marks(folder)
        self._url = url
        self._log = folder / "listener.log"

    def send_stamps(self, pauses: list[float]) -> None:
        """Rows that say how long they were under way."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            for pause in pauses:
                time.sleep(pause)
                connection.execute(DISPATCH, (time.monotonic_ns(),))

    def workers(self, processes: int) -> AbstractContextManager[Workers]:
        """So many listeners."""
        command = [sys.executable, "-m", "benchmarks.bare_listener", self._url]
        env = os.environ | {"BENCHMARK_MARKS": str(self.marks)}
        return working([command] * processes, env=env, cwd=ROOT, log=self._log)


@contextmanager
def bare_listener(ground: Ground) -> Iterator[BareListener]:
    """The loop on a database of its own."""
    with ground.empty() as url, tempfile.TemporaryDirectory(dir=ground.folder) as folder:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(MAKE.encode())
        yield BareListener(url, Path(folder))


def listen(url: str) -> None:
    """Wait for rows and begin each, until killed."""
    marks = os.open(os.environ["BENCHMARK_MARKS"], os.O_WRONLY | os.O_APPEND)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("LISTEN bare")
        while True:
            # A row that came before the LISTEN is found after the timeout.
            for _ in connection.notifies(timeout=1, stop_after=1):
                pass
            while claimed := connection.execute(CLAIM).fetchone():
                os.write(marks, struct.pack("q", time.monotonic_ns() - claimed[0]))


if __name__ == "__main__":
    listen(sys.argv[1])
