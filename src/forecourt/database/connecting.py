"""How a connection is made: what it is told, and what is done when nobody answers."""

from collections.abc import Callable
from typing import Any

import psycopg

from forecourt.database.address import libpq_url, parsed, parsed_address, start_private_server, unreachable
from forecourt.settings import settings

ENCODING = {"client_encoding": "UTF8"}
"""Whatever the server or the role prefers: text arrives as text, also from a database that does not
know what it keeps.
"""

SIGNS_OF_LIFE = {
    "connect_timeout": 10,
    # A host that is cut off hears nothing at all, not even that its connection is gone: it would
    # wait for its answer for a quarter of an hour. With these it knows after 25 seconds, of silence
    # or of not being listened to. Not before the 15 in which a silent worker is given up: what
    # ended on its machine until then could not be told, and its attempt would not count.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
"""How libpq finds out that nobody is there, in seconds but for the last, which is in milliseconds.
What the address says wins.
"""

PINNED = {
    "default_transaction_isolation": r"read\ committed",
    "default_transaction_deferrable": "off",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "15min",  # what a host that was cut off holds is free by then
    "idle_session_timeout": "0",
    "TimeZone": "UTC",
    "DateStyle": "ISO",  # the driver reads no other
    "IntervalStyle": "postgres",
}
"""What the engine's own sessions need, whatever the role or the database says; the sessions of jobs
keep what those say. The search path is not among them: every name in a statement of ours has its
schema."""


class DatabaseUnreachable(RuntimeError):
    """PostgreSQL does not answer; the message names host, port and user."""


def connected(connect: Callable[[], psycopg.Connection[Any]]) -> psycopg.Connection[Any]:
    """Connect. When the private server does not answer it is started again, by whichever process
    notices first.
    """
    try:
        return connect()
    except psycopg.OperationalError:
        if settings().database_url is not None:
            raise
        start_private_server()
        return connect()


def connect(
    *, autocommit: bool = False, application_name: str = "forecourt", spotless: bool = False
) -> psycopg.Connection[tuple[Any, ...]]:
    """A plain psycopg connection outside the pool, for the engine's own statements; with
    `spotless`, for jobs: as the role has it.

    Raises DatabaseUnreachable, which names host, port and user.
    """
    try:
        address = libpq_url()
        options: dict[str, Any] = {"application_name": application_name} | driver_options(pinned=not spotless)
        connection = connected(lambda: psycopg.connect(address, autocommit=autocommit, **options))
        if not spotless:
            connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        return connection
    except psycopg.OperationalError as error:
        raise DatabaseUnreachable(unreachable(error)) from error


def driver_options(*, pinned: bool, address: str = "") -> dict[str, Any]:
    """How connections are made: to the database, or to another `address`; with `pinned`, for the
    engine's own sessions.
    """
    said = parsed(address) if address else parsed_address()
    options: dict[str, Any] = {name: value for name, value in SIGNS_OF_LIFE.items() if name not in said} | ENCODING
    if settings().pooled:
        # The next transaction may run on a connection that was never told of a prepared statement;
        # and options at the start of a session are refused, so there the isolation alone is pinned,
        # which each BEGIN names.
        return options | {"prepare_threshold": None}
    if pinned:
        ours = " ".join(f"-c {name}={value}" for name, value in PINNED.items())
        options["options"] = f"{said.get('options', '')} {ours}".strip()
    return options
