"""Runs calls at once, in this process, as a slot would: no queue, no worker, and a database only if
the job takes a session.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, TypeVar

import orjson
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, scoped_session

from forecourt.app import Forecourt
from forecourt.database import in_transaction_of
from forecourt.jobs.async_transaction import SET_MARK
from forecourt.jobs.attempt import run
from forecourt.jobs.context import RunningCall, current
from forecourt.jobs.definition import Definition
from forecourt.jobs.dispatch import Call, Dispatch
from forecourt.jobs.foreground import run_in_foreground
from forecourt.jobs.job import Job
from forecourt.jobs.middleware import Middleware
from forecourt.jobs.outcome import Discard, Release
from forecourt.jobs.plan import Plan
from forecourt.jobs.results import raised, sqlstate
from forecourt.jobs.transaction import ENDED, JobSession, TransactionEnded
from forecourt.testing.interceptor import checked, intercepted, new_id
from forecourt.testing.matchers import require_job

R = TypeVar("R")

NO_SAVEPOINT = "3B001"

MARK = "SELECT coalesce(current_setting('forecourt.attempt', true), '')"


def run_now(job: Job[..., R], app: Forecourt | None = None, /, **args: Any) -> R:
    """Run one call in this process and return its result. What the function raises goes through,
    Release and Discard too.

    As in a slot: the arguments are checked, prepared and go through JSON; the middleware of `app`,
    if given, stands around; a job that takes a session gets one in a transaction of its own,
    committed when it returns and rolled back when it raises; a batched job gets lists of one.
    Nothing is retried and no timeout is enforced.
    """
    dispatch = Dispatch(require_job(job))
    result: R = _Inline(app).execute(dispatch, [dispatch.text(args)], new_id())
    return result


@contextmanager
def run_as_inline(app: Forecourt | None = None) -> Iterator[None]:
    """While the block runs, every dispatch of this process runs its calls at once, in the caller's
    thread, as `run_now` does, inside the middleware of `app`.

    Delays are not waited for, and a chain runs to its end. What a call raises goes through to the
    caller; Discard ends it quietly. With `session=`, a SQLAlchemy Session or Connection, the job's
    effects are part of the caller's transaction, in a savepoint. Raises RuntimeError for a batch,
    TypeError where a job's session cannot join the caller's transaction.
    """
    with intercepted(_Inline(app)):
        yield


class _Inline:
    """Takes every call, and returns when it has run."""

    def __init__(self, app: Forecourt | None) -> None:
        self._middleware: tuple[Middleware, ...] = () if app is None else app.jobs.middleware

    def begin_batch(self, name: str, jobs: Sequence[Definition[..., Any]]) -> int:
        raise RuntimeError("run_as_inline: a batch is a row that counts its calls; use drain() here")

    def begin_workflow(self, name: str, plans: Sequence[Plan]) -> int:
        raise RuntimeError("run_as_inline: the steps of a workflow are rows that wait for each other; use drain() here")

    def take(self, dispatch: Dispatch[...], many: Sequence[Mapping[str, Any]]) -> list[Call]:
        checked(dispatch)
        texts = [dispatch.text(args) for args in many]
        together = dispatch.job.policy.batch or 1
        taken: list[Call] = []
        for first in range(0, len(texts), together):
            bundle = texts[first : first + together]
            entered = [Call(new_id(), dispatch.job.name) for _ in bundle]
            self._run(dispatch, bundle, entered[0].id)
            taken += entered
        return taken

    def _run(self, dispatch: Dispatch[...], texts: Sequence[str], id: int) -> None:
        """Run calls, and what follows in their chain."""
        options = dispatch.options or {}
        try:
            with suppress(Discard):
                self.execute(dispatch, texts, id)
        except Release:
            raise
        except Exception as error:
            if "catch" in options:
                end = raised(error)
                failure = {"call": id, "error": end.error, "message": end.message}
                self._follow(options["catch"], dispatch.with_options({}), failure=failure)
            raise
        match options.get("chain"):
            case [first, *rest]:
                self._follow(first, dispatch.with_options(options | {"chain": rest}))

    def _follow(self, plan: Mapping[str, Any], before: Dispatch[...], **told: Any) -> None:
        """Run what was planned to follow a call, in the same transaction if that was in one."""
        args = plan["args"] | {name: value for name, value in told.items() if name in plan["told"]}
        self._run(replace(before, job=before.following[plan["job"]]), [orjson.dumps(args).decode()], new_id())

    def execute(self, dispatch: Dispatch[...], texts: Sequence[str], id: int) -> Any:
        """Run calls that go together, and return what their function returned."""
        job = dispatch.job
        call = RunningCall(id, job.name, 1, dispatch.options or {}, job.extras, dispatch.queue or job.policy.queue)
        token = current.set(None)  # a call that is in no table has no progress to report and no batch to add to
        try:
            if dispatch.session is None or job.takes is None:
                return run_in_foreground(job, call, texts, self._middleware)
            if job.takes == "connection" or job.is_async:
                raise TypeError(
                    f"run_as_inline: {job.name} takes {job.takes}, and only a function that takes a session can join the caller's "
                    "transaction; use fake_queue() or drain() here"
                )
            with _within(dispatch.session) as session:
                tx = in_transaction_of(session)
                [(outer,)] = tx.execute(MARK).fetchall()
                tx.execute(SET_MARK, {"mark": f"inline {id}"})
                result = run(job, call, texts, session, self._middleware)
                session.flush()
                if tx.execute(MARK).fetchall() != [(f"inline {id}",)]:
                    raise TransactionEnded(ENDED)
                tx.execute(SET_MARK, {"mark": outer})  # of a job around it, which is asked for its own
                Session.commit(session)
                return result
        except DBAPIError as error:
            if sqlstate(error) == NO_SAVEPOINT:
                raise TransactionEnded(ENDED) from error
            raise
        finally:
            current.reset(token)


def _within(caller: object) -> JobSession:
    """A session as a slot gives it, in a savepoint of the caller's transaction."""
    if isinstance(caller, Session | scoped_session):
        caller.flush()  # by the time a worker ran the call, this would have been committed
        caller = caller.connection()
    in_transaction_of(caller)
    if not isinstance(caller, Connection):
        raise TypeError(
            "run_as_inline: a job that takes a session can join the transaction of a SQLAlchemy Session or Connection, not"
            f" of a {type(caller).__module__} connection; use fake_queue() or drain() here"
        )
    return JobSession(caller, join_transaction_mode="create_savepoint")
