"""What can happen to PostgreSQL while everybody works: it crashes, throws people out, has no room
for them, or no room at all.
"""

import os
import signal
import time
from contextlib import ExitStack, suppress

import psycopg

from faults.hosts import Host
from faults.site import Site
from faults.storm import Fault, Storm
from faults.wire import Wire

END_ALL = """
SELECT count(pg_terminate_backend(pid))
FROM pg_stat_activity
WHERE application_name LIKE 'forecourt%'
  AND datname = current_database()
"""

BACKENDS = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'forecourt%' AND datname = current_database()"

# In the order in which a call's end takes them, so that neither waits for the other crosswise.
BOTH_TABLES = """
LOCK TABLE forecourt.running IN ACCESS EXCLUSIVE MODE;
LOCK TABLE forecourt.done IN ACCESS EXCLUSIVE MODE;
"""

DISK_FULL = f"""{BOTH_TABLES}
CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF random() < 0.2 THEN
        RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER full_disk BEFORE INSERT ON forecourt.done FOR EACH ROW EXECUTE FUNCTION disk_full();
CREATE TRIGGER full_disk BEFORE INSERT ON forecourt.running FOR EACH ROW EXECUTE FUNCTION disk_full();
"""
DISK_FREE = f"{BOTH_TABLES} DROP FUNCTION disk_full CASCADE"


def every_connection_ended_again_and_again(storm: Storm, host: Host) -> None:
    """pg_terminate_backend, ten times within a second or two."""
    with psycopg.connect(storm.url, autocommit=True, application_name="cutter") as connection:
        for _ in range(10):
            connection.execute(END_ALL.encode())
            time.sleep(storm.chance.uniform(0, 0.3))


def the_disk_is_full(storm: Storm, host: Host) -> None:
    """For two seconds every fifth row that begins or ends a call finds no room, in the middle of
    its batch.
    """
    with psycopg.connect(storm.url, autocommit=True, application_name="disk") as connection:
        connection.execute(DISK_FULL.encode())
        time.sleep(2)
        connection.execute(DISK_FREE.encode())


def take_all_connections(url: str, stack: ExitStack) -> None:
    """Connect until the server refuses, and keep it all until the stack is unwound."""
    with suppress(psycopg.OperationalError):
        while True:
            stack.enter_context(psycopg.connect(url, application_name="greedy"))


class Outages:
    """Faults of one server."""

    def __init__(self, site: Site, wire: Wire) -> None:
        self._site = site
        self._wire = wire

    def immediate_restart(self, storm: Storm, host: Host) -> None:
        """The server is stopped without a word, and started again up to a second later."""
        self._site.crash()
        time.sleep(storm.chance.uniform(0, 1))
        self._site.start()

    def kill_9_of_a_backend(self, storm: Storm, host: Host) -> None:
        """PostgreSQL throws everybody out and recovers, as its shared memory may be damaged."""
        with psycopg.connect(storm.url, autocommit=True) as connection:
            backends = [row[0] for row in connection.execute(BACKENDS.encode())]
        os.kill(storm.chance.choice(backends), signal.SIGKILL)
        self._site.hold_horizon()

    def connections_exhausted(self, storm: Storm, host: Host) -> None:
        """Every connection is ended, and before anybody can connect again, somebody has taken them
        all for two seconds.
        """
        with ExitStack() as stack:
            connection = stack.enter_context(psycopg.connect(storm.url, autocommit=True))
            until = time.monotonic() + 2
            while time.monotonic() < until:
                connection.execute(END_ALL.encode())
                take_all_connections(storm.url, stack)
                time.sleep(0.1)

    def commits_whose_answers_get_lost(self, storm: Storm, host: Host) -> None:
        """For a second, longer where nobody commits, every fifth commit is carried out, and whoever
        asked for it hears only that the connection broke.
        """
        before, until = self._wire.lost, time.monotonic() + 20
        self._wire.loss = 0.2
        time.sleep(1)
        while self._wire.lost == before and time.monotonic() < until:
            time.sleep(0.05)
        self._wire.loss = 0.0

    @property
    def all(self) -> tuple[Fault, ...]:
        return (
            self.immediate_restart,
            self.kill_9_of_a_backend,
            every_connection_ended_again_and_again,
            self.connections_exhausted,
            self.commits_whose_answers_get_lost,
            the_disk_is_full,
        )
