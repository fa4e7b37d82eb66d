"""One attempt at a call: the function with its arguments, inside the middleware, and the transaction that its session is in.

Whoever runs a call, in a slot, in a test or by hand, runs it through here.
"""

import os
from collections.abc import Sequence
from itertools import count
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any, NoReturn

import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, TransactionStatus
from sqlalchemy.orm import Session, SessionTransaction

from forecourt.database import engine, in_transaction_of
from forecourt.database.engine import LEAVE_NO_TRACE, mark_clean
from forecourt.jobs.context import RunningCall
from forecourt.jobs.job import Job
from forecourt.jobs.middleware import surrounded

BEGIN = b"BEGIN; SET LOCAL forecourt.attempt = '%d'"
"""In one message. What is set for a transaction is gone with it, whoever ends it and however."""

COMMIT = f"COMMIT; {LEAVE_NO_TRACE}"
"""In one message too, which costs no round trip: what the job has left on the connection is no business of the next."""

STILL_WITHIN = "SELECT current_setting('forecourt.attempt', true) = %(mark)s"

ENDED = (
    "the transaction of the job's session was ended by hand (COMMIT, ROLLBACK, or the session's rollback or close), so its effects "
    "would no longer be exactly once; use session.begin_nested() for a part that may fail"
)

NOTHING_RAN = (CoroutineType, GeneratorType, AsyncGeneratorType)
"""What a function returns that only made an object."""

_numbers = count(1)


class TransactionEnded(RuntimeError):
    """A job ended the transaction that it was given."""


class JobSession(Session):
    """The session that a job gets. Its transaction begins before the job and is committed after it, together with the end of the
    call."""

    def commit(self) -> NoReturn:
        """Raises: a commit inside the function would tear its effects from the end of its call."""
        raise RuntimeError(
            "a job must not commit the session that it was given: the slot commits it when the job returns"
        )

    def begin(self, nested: bool = False) -> SessionTransaction:
        """A savepoint with `nested`. Raises without: the end of that block would be a commit."""
        if not nested:
            raise RuntimeError(
                "a job must not begin a transaction on the session that it was given: it is in one, which the slot commits when "
                "the job returns; use session.begin_nested() for a part that may fail"
            )
        return super().begin(nested=True)


def begin(session: Session) -> str:
    """Begin the session's transaction, and return the mark by which it is known again."""
    number = next(_numbers)
    connection = in_transaction_of(session)
    result = connection.pgconn.exec_(BEGIN % number)
    if result.status != ExecStatus.COMMAND_OK:
        raise error_from_result(result)
    return str(number)


def commit(session: Session) -> None:
    """Commit the session's transaction, and remove what was left on its connection."""
    connection = session.connection()
    connection.exec_driver_sql(COMMIT)
    mark_clean(connection)
    Session.commit(session)  # there is nothing left to commit, but SQLAlchemy must know


def is_within(connection: psycopg.Connection[Any], mark: str) -> bool:
    """Whether the connection is still in the transaction with this mark."""
    return connection.execute(STILL_WITHIN, {"mark": mark}).fetchall()[0][0] is True


def was_ended(connection: psycopg.Connection[Any], mark: str) -> bool:
    """Whether a job that raised had ended its transaction before: then what it did until then stays, and must not be repeated. A
    transaction that the database has aborted, or that broke, is rolled back, whichever it was."""
    match connection.info.transaction_status:
        case TransactionStatus.IDLE:
            return True
        case TransactionStatus.INTRANS:
            return not is_within(connection, mark)
        case _:
            return False


def run(job: Job[..., Any], call: RunningCall, texts: Sequence[str], session: Session | None) -> Any:
    """Load the arguments from JSON text, one for each call that runs together, and run the function inside the middleware.

    What it raises goes through. A process that the function forked ends here, should it come back.
    """
    process = os.getpid()
    loaded = [job.arguments.load(text) for text in texts]
    args = loaded[0]
    if job.policy.batch is not None:
        args = {name: [one[name] for one in loaded] for name in args}
    if session is not None:
        args["session"] = session

    def execute() -> Any:
        try:
            result = job.function(**args)
        finally:
            if os.getpid() != process:
                os._exit(1)  # it would go on with its parent's connections, and report the call a second time
        if isinstance(result, NOTHING_RAN):
            raise TypeError(
                f"job {job.name} returned a {type(result).__name__}: nothing of it has run; call asyncio.run(...) in it"
            )
        return result

    return surrounded(call, execute)


def run_in_foreground(job: Job[..., Any], call: RunningCall, texts: Sequence[str]) -> Any:
    """Run a call that is in no table, and commit its session's transaction. Raises what it raises, and TransactionEnded."""
    if not job.takes_session:
        return run(job, call, texts, None)
    with JobSession(engine()) as session:
        mark = begin(session)
        result = run(job, call, texts, session)
        session.flush()
        if not is_within(in_transaction_of(session), mark):
            raise TransactionEnded(ENDED)
        Session.commit(session)
        return result
