"""What probes and monitors ask: does the process live, can it serve, does the schedule run, do the
queues keep up.

A question about the database gets a connection of its own, which gives up within seconds: a probe
has to learn that the database is gone, also when a connection from before would still wait for it.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import psycopg
from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from forecourt.database import database_url, in_transaction_of
from forecourt.database.engine import connect_anew
from forecourt.database.revision import SchemaTooOld, require_current
from forecourt.doctor.work import of_queue
from forecourt.schedule.clock import HEARTBEAT
from forecourt.store import standing, tasks, tick_history
from forecourt.web import answers

LONGEST_SILENCE = timedelta(minutes=5)
"""Age of the last heartbeat beyond which the scheduler counts as stopped."""


async def live(_: Request) -> Response:
    """The event loop turns. Asks nobody: a process is not restarted because its database is
    away.
    """
    return answers.ok()


def ready(_: Request) -> Response:
    """The database answers, and its schema is the one that this code needs."""
    try:
        with _engine(database_url()).connect() as connection:
            require_current(in_transaction_of(connection))
    except SchemaTooOld as error:
        return answers.error(503, str(error))
    return answers.ok()


def scheduler(_: Request) -> Response:
    """The heartbeat succeeded within the last five minutes, by the database's clock. In an
    application without that task, a clock and a worker have said within that time that they
    live."""
    try:
        with _engine(database_url()).begin() as connection:
            last = _last_run(in_transaction_of(connection))
    except psycopg.errors.UndefinedTable:
        last = None  # an empty database: nothing ever ran on it
    if last is None:
        return answers.error(503, "Scheduler not running")
    return answers.ok(last_run=last.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"))


def _last_run(tx: psycopg.Connection[Any]) -> datetime | None:
    """When the schedule last showed that it runs; None when that was too long ago."""
    last = tick_history.last_success(tx, HEARTBEAT)
    if last is not None and last.ago <= LONGEST_SILENCE:
        return last.finished_at
    liveness = tasks.liveness(tx, LONGEST_SILENCE)
    silences = (liveness.clock_ago, liveness.worker_ago)
    alive = all(silence is not None and silence <= LONGEST_SILENCE for silence in silences)
    return liveness.clock if alive and not liveness.heartbeat else None


def queue(_: Request) -> Response:
    """Every queue that is not paused is served, and its oldest call has not waited much too long,
    as the checks of `forecourt doctor` have it. Which one is to blame is in the message; what else
    is known of it takes signing in."""
    with _engine(database_url()).begin() as connection:
        tx = in_transaction_of(connection)
        try:
            found = [of_queue(one) for one in standing.of_queues(tx, tasks.now(tx), most=0)]
        except psycopg.errors.UndefinedTable:
            return answers.error(503, "Queue not there: forecourt db migrate")
    bad = [result for result in found if result.status == "fail"]
    if bad:
        return answers.error(503, "; ".join(f"{result.name}: {result.found}" for result in bad))
    return answers.ok(oldest_seconds=round(max((result.value or 0.0 for result in found), default=0.0), 3))


ROUTES = (
    Route("/livez", live),
    Route("/readyz", ready),
    Route("/health/scheduler", scheduler),
    Route("/health/queue", queue),
)


@lru_cache(maxsize=1)
def _engine(url: URL) -> Engine:
    """No pool, and seconds to connect, to be heard of (milliseconds here), and for each
    statement.
    """
    patience = {"connect_timeout": 2, "tcp_user_timeout": 2000}
    engine = create_engine(url, poolclass=NullPool, connect_args={"application_name": "forecourt probe", **patience})

    event.listen(engine, "do_connect", connect_anew)

    # For the transaction only: through PgBouncer the connection is not ours alone.
    @event.listens_for(engine, "begin")
    def limit(connection: Connection) -> None:
        connection.exec_driver_sql("SET LOCAL statement_timeout = '2s'")

    return engine
