"""The transaction in which a job runs that takes a session or a connection: begun for it, bearing a
mark, and committed after it.

The mark is how its end is known to be in the very transaction that was begun: whoever ended that by
hand, through whichever layer, has lost it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, NoReturn

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection
from sqlalchemy.orm import Session, SessionTransaction

from forecourt.database import engine, in_transaction_of
from forecourt.database.asking import checked
from forecourt.database.job_connection import job_connection, mark_spotless
from forecourt.database.kept_connection import KeptConnection
from forecourt.database.lending import lend, take_back, was_closed
from forecourt.database.pooling import LEAVE_NO_TRACE, mark_clean
from forecourt.jobs.definition import Definition

BEGIN = b"BEGIN; SET LOCAL forecourt.attempt = '%d'"
"""In one message. What is set for a transaction is gone with it, whoever ends it and however."""

COMMIT = f"COMMIT; {LEAVE_NO_TRACE}"
"""In one message too: what the job has left on the connection is no business of the next."""

STILL_WITHIN = "SELECT current_setting('forecourt.attempt', true) = %(mark)s"

ENDED = (
    "the transaction of the job was ended by hand (COMMIT, ROLLBACK, the session's rollback or close, or `with connection:`), so "
    "its effects would no longer be exactly once, or its mark was removed by RESET ALL, so nobody can tell; use "
    "session.begin_nested() or connection.transaction() for a part that may fail, and RESET with a setting's name"
)

IN_USE = (
    "the job is over while something of its own still uses its session or connection: a task or a thread that it did not wait for, "
    "or rows that it did not read to their end"
)

_numbers = count(1)


class TransactionEnded(RuntimeError):
    """A job ended the transaction that it was given."""


class JobSession(Session):
    """The session that a job gets. Its transaction begins before the job and is committed after it,
    together with the end of the call."""

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


def send_all(session: Session) -> None:
    """Send what is left to be sent, as a commit does: those who listen for `before_commit` and for
    what is flushed may write as well, and what they write belongs to it.
    """
    session.dispatch.before_commit(session)
    while not session._is_clean():
        session.flush()


class Transaction:
    """A transaction that was begun for a job. `given` is what the job's function gets, `tx` the
    connection beneath.
    """

    def __init__(
        self, given: JobSession | psycopg.Connection[Any], beneath: Connection | psycopg.Connection[Any]
    ) -> None:
        self.given = given
        self.tx = in_transaction_of(beneath)
        self._beneath = beneath
        number = next(_numbers)
        self.mark = str(number)
        send(self.tx, BEGIN % number)

    def flush(self) -> None:
        """Send what the function left to be sent, and end the savepoints that it left open. Raises
        TransactionEnded when it closed the connection, and RuntimeError when it still uses it."""
        if self.tx.lock.locked():
            raise RuntimeError(IN_USE)
        if self._is_closed():
            raise TransactionEnded(ENDED)
        if isinstance(self.given, Session):
            while (nested := self.given.get_nested_transaction()) is not None:
                nested.commit()
            send_all(self.given)

    def forget(self) -> None:
        """Forget what the function has loaded and what it left undone: the next one must not find
        it."""
        if isinstance(self.given, Session):
            while (nested := self.given.get_nested_transaction()) is not None:
                nested.rollback()
            self.given.expunge_all()
        else:
            self.take_back()
            self.given = lend(self.tx)

    def take_back(self) -> None:
        """Whatever the function left running can do nothing more with the connection."""
        if not isinstance(self.given, Session):
            take_back(self.given)

    def is_whole(self) -> bool:
        """Whether the connection is still in it."""
        return self.tx.execute(STILL_WITHIN, {"mark": self.mark}).fetchall()[0][0] is True

    def was_ended(self) -> bool:
        """Whether a job that raised had ended it before: then what it did until then stays, and
        must not be repeated. One that the database has aborted, or that broke, is rolled back,
        whichever it was."""
        if self.tx.lock.locked():
            return False  # nobody can ask, and it is given up
        match self.tx.info.transaction_status:
            case TransactionStatus.IDLE:
                # A flush that fails rolls the transaction back, and the session takes nothing more.
                return not isinstance(self.given, Session) or self.given.is_active
            case TransactionStatus.INTRANS:
                return not self.is_whole()
            case _:
                return self._is_closed()

    def _is_closed(self) -> bool:
        return was_closed(self.tx if isinstance(self.given, Session) else self.given)

    def commit(self, last: str = "") -> None:
        """Commit it, and remove what was left on its connection; after a last statement, in the
        same message. When that raises, nothing behind it is executed."""
        self.take_back()  # the message goes past the lock, which a thread that was left may hold
        message = f"{last}; {COMMIT}" if last else COMMIT
        send(self.tx, message.encode(self.tx.info.encoding))
        if isinstance(self._beneath, Connection):
            mark_clean(self._beneath)
        else:
            mark_spotless()
        if isinstance(self.given, Session):
            self.given.dispatch.after_commit(self.given)


@contextmanager
def transaction(job: Definition[..., Any], kept: KeptConnection | None = None) -> Iterator[Transaction | None]:
    """What the job's effects go into, rolled back unless it is committed in the block; None for a
    job that takes neither a session nor a connection. The session is on the `kept` connection, else
    on one of the pool's."""
    match job.takes:
        case None:
            yield None
        case "connection":
            with job_connection() as connection:
                opened = Transaction(lend(connection), connection)
                try:
                    yield opened
                finally:
                    opened.take_back()
        case _:
            with kept.lent() if kept else engine().connect() as connection, JobSession(engine()) as session:
                yield Transaction(session, session.connection(bind_arguments={"bind": connection}))


def send(connection: psycopg.Connection[Any], message: bytes) -> None:
    """Send statements in one message, and wait for their end; what they return is dropped."""
    checked(connection, connection.pgconn.exec_(message))
