"""The statements that are asked again and again after pauses, straight through libpq: those of an
idle worker, and a dispatch by itself.

After a pause none of our code is in the processor's caches any more, so what a round trip costs is
the way to libpq and back: 230 to 270 µs of CPU through a cursor, 110 from here.
"""

import re
from functools import lru_cache
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from psycopg.errors import InvalidSqlStatementName, error_from_result
from psycopg.generators import execute
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

from forecourt.settings import settings

PARAMETER = re.compile(r"%\((\w+)\)s")
"""Made before anything is forked: each slot would fill pages of its own to make it."""

_names = count(1)
_prepared: WeakKeyDictionary[psycopg.Connection[Any], dict[bytes, bytes]] = WeakKeyDictionary()


def ask(connection: psycopg.Connection[Any], statement: str, **parameters: object) -> list[tuple[Any, ...]]:
    """The rows of a statement, as PostgreSQL writes them: text, or None for NULL. Where no
    transaction is open it is one of its own, and is prepared once on each connection."""
    numbered, names = _numbered(statement)
    given = [None if (value := parameters[name]) is None else str(value).encode() for name in names]
    with connection.lock:
        if settings().pooled or connection.pgconn.transaction_status != TransactionStatus.IDLE:
            # It may be another connection next time; in somebody's transaction nothing of ours may
            # fail.
            connection.pgconn.send_query_params(numbered, given)
            return _rows(_answer(connection))
        try:
            return _rows(_run_prepared(connection, numbered, given))
        except InvalidSqlStatementName:  # the driver forgets what is prepared, its own and ours, when it rolls back
            _prepared.pop(connection, None)
            return _rows(_run_prepared(connection, numbered, given))


def send(connection: psycopg.Connection[Any], message: bytes) -> None:
    """Send statements in one message, and wait for their end; what they return is dropped."""
    with connection.lock:
        connection.pgconn.send_query(message)
        _answer(connection)


def _run_prepared(connection: psycopg.Connection[Any], numbered: bytes, given: list[bytes | None]) -> PGresult:
    prepared = _prepared.setdefault(connection, {})
    if numbered not in prepared:
        name = b"forecourt_%d" % next(_names)
        connection.pgconn.send_prepare(name, numbered)
        _answer(connection)
        prepared[numbered] = name
    connection.pgconn.send_query_prepared(prepared[numbered], given)
    return _answer(connection)


def _answer(connection: psycopg.Connection[Any]) -> PGresult:
    """What came of what was sent. The driver waits for it, so that Ctrl-C ends the waiting."""
    return checked(connection, connection.wait(execute(connection.pgconn))[-1])


@lru_cache
def _numbered(statement: str) -> tuple[bytes, tuple[str, ...]]:
    """The statement with libpq's numbers for its parameters, and their names in that order."""
    names = tuple(dict.fromkeys(PARAMETER.findall(statement)))
    return PARAMETER.sub(lambda found: f"${names.index(found[1]) + 1}", statement).encode(), names


def checked(connection: psycopg.Connection[Any], result: PGresult) -> PGresult:
    """What libpq returned on this connection, unless it is an error: that is raised, as the driver
    would.
    """
    if result.status in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
        return result
    if connection.pgconn.status == ConnStatus.BAD:  # an error without a code, which could be anything
        raise psycopg.OperationalError(result.error_message.decode(errors="replace").strip())
    raise error_from_result(result)


def _rows(result: PGresult) -> list[tuple[Any, ...]]:
    columns = range(result.nfields)
    values = ([result.get_value(row, column) for column in columns] for row in range(result.ntuples))
    return [tuple(None if value is None else value.decode() for value in row) for row in values]
