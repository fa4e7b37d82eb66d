"""A standby for what reads much, changes nothing and may be a moment old: the sitemap, and what is
told about listings and providers.
"""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from psycopg.conninfo import conninfo_to_dict

from forecourt.database.address import for_sqlalchemy
from forecourt.database.connecting import driver_options
from forecourt.database.engine import engine
from forecourt.settings import settings

if TYPE_CHECKING:
    from sqlalchemy import Connection

BEHIND = timedelta(minutes=5)
"""A standby that is further behind is passed over: it was cut off, or nobody mends it."""

AS_OF = (
    "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_xact_replay_timestamp() END AS as_of, clock_timestamp() AS now"
)
"""The commit of the last transaction that it knows of. Where nobody commits that is long ago, and
it is up to date all the same: it is never said to be newer than it is.
"""

log = logging.getLogger(__name__)


class NoStandby(RuntimeError):
    """What FORECOURT_REPLICA_URL names is no standby, or too far behind."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A connection in a transaction that only reads and sees one instant. `as_of`: which, when it
    is a standby's.
    """

    connection: "Connection"
    as_of: datetime | None


@contextmanager
def reading() -> Iterator[Reading]:
    """Read from the standby that FORECOURT_REPLICA_URL names; from the primary where none is named,
    or where it does not answer, is no standby or is more than five minutes behind, which the log
    then says.
    """
    with ExitStack() as opened:
        try:
            found = opened.enter_context(_standby()) if settings().replica_url else None
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the primary can answer
            log.warning("The primary is read instead of FORECOURT_REPLICA_URL: %s", str(error).partition("\n")[0])
            found = None
        yield found or Reading(opened.enter_context(_one_instant(engine().connect())), None)


def behind() -> timedelta:
    """How far the standby is behind at most. Raises NoStandby, or what the driver says, after two
    seconds if that is nothing: whoever asks has a connection to the primary meanwhile.
    """
    with _standby(limit=timedelta.max, connect_timeout=2) as found:
        from sqlalchemy import text

        now: datetime = found.connection.scalars(text("SELECT clock_timestamp()")).one()
        assert found.as_of is not None
        return max(now - found.as_of, timedelta())


@contextmanager
def _standby(limit: timedelta | None = None, **hurry: int) -> Iterator[Reading]:
    from sqlalchemy import NullPool, create_engine, text

    address = settings().replica_url or ""
    options = driver_options(pinned=True, address=address) | hurry
    made = create_engine(for_sqlalchemy(conninfo_to_dict(address)), poolclass=NullPool, connect_args=options)
    with _one_instant(made.connect()) as connection:
        as_of, now = connection.execute(text(AS_OF)).one()
        if as_of is None:
            raise NoStandby("it is no standby, or has heard nothing since it was started")
        if now - as_of > (BEHIND if limit is None else limit):
            raise NoStandby(f"the last that it knows is of {as_of:%Y-%m-%d %H:%M:%S} UTC")
        yield Reading(connection, as_of)


@contextmanager
def _one_instant(connection: "Connection") -> "Iterator[Connection]":
    with connection:
        connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        yield connection
