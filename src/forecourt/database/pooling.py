"""What becomes of a pooled connection when it is handed out and when it comes back."""

import time
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import psycopg
from psycopg.pq import TransactionStatus

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine
    from sqlalchemy.pool import ConnectionPoolEntry, ManagesConnection

LEAVE_NO_TRACE = """
SET SESSION AUTHORIZATION DEFAULT;
RESET ALL;
UNLISTEN *;
CLOSE ALL;
DISCARD TEMP;
DISCARD SEQUENCES;
SELECT pg_advisory_unlock_all()
"""
"""DISCARD ALL, but for the prepared statements that the driver knows, and allowed behind a COMMIT
in the same message.
"""

ROLLBACK = f"ROLLBACK; {LEAVE_NO_TRACE}"
"""In one message, so that nothing which a call's thread or task still sends comes between."""

PAUSE = 1.0
"""Seconds unused after which a pooled connection is tried before it is handed out; trying it each
time costs a round trip.
"""


_retired: "WeakSet[Engine]" = WeakSet()


def retire(engine: "Engine") -> None:
    """Dispose of an engine for good. What comes back later is closed, also what was only opened
    later, by a thread that had the engine in hand: in a pool nobody ever would.
    """
    _retired.add(engine)
    engine.dispose()


def note_returns(made: "Engine") -> None:
    """Know when each connection was used last, and close what comes back to an engine that is
    retired.
    """
    from sqlalchemy import event

    event.listen(made, "checkin", partial(_comes_back, made))


def ping_after_a_pause(made: "Engine") -> None:
    """Have a connection tried before it is handed out that nobody has used for a while."""
    from sqlalchemy import event

    event.listen(made, "checkout", partial(_ping, made))


def clean_on_return(made: "Engine") -> None:
    """Have everything removed that was left on a connection (settings, listening, temporary tables,
    advisory locks) when it comes back.
    """
    from sqlalchemy import event

    event.listen(made, "reset", _clean)


def mark_clean(connection: "Connection") -> None:
    """Say that nothing is left on a connection of a spotless engine, so that it need not be cleaned
    when it goes back.
    """
    connection.info["clean"] = True


def is_clean(record: "ManagesConnection") -> bool:
    """Whether that was said since it was asked last."""
    return bool(record.info.pop("clean", False))


def _clean(connection: "psycopg.Connection[Any]", record: "ConnectionPoolEntry", _state: Any) -> None:
    status = connection.info.transaction_status
    if status == TransactionStatus.UNKNOWN or connection.lock.locked():
        record.invalidate()  # it broke, or a thread that a call left uses it: the next one is a new one
        return
    if status == TransactionStatus.IDLE and is_clean(record):
        return
    connection.execute(ROLLBACK.encode())


def _comes_back(engine: "Engine", _connection: Any, record: "ConnectionPoolEntry") -> None:
    record.info["used_at"] = time.monotonic()
    if engine in _retired:
        record.invalidate()


def _ping(engine: "Engine", connection: Any, record: "ConnectionPoolEntry", _proxy: Any) -> None:
    now = time.monotonic()
    if now - record.info.get("used_at", now) < PAUSE:
        return
    from sqlalchemy.exc import DBAPIError, DisconnectionError

    try:
        engine.dialect.do_ping(connection)
    except (DBAPIError, psycopg.Error) as error:
        raise DisconnectionError("broken while nobody used it") from error
