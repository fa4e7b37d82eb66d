"""Executes a bundle: runs the function, and for a job with a session commits its effects together with the calls' end."""

import re
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import orjson
import psycopg
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from forecourt.database import in_transaction_of
from forecourt.jobs.arguments import WrongArguments
from forecourt.jobs.context import RunningCall, current
from forecourt.jobs.job import Job
from forecourt.jobs.middleware import surrounded
from forecourt.jobs.outcome import (
    FINISHED,
    ClaimLost,
    Discard,
    Discarded,
    Finished,
    Interrupted,
    Outcome,
    Raised,
    Release,
    Released,
    Unknown,
)
from forecourt.logs import doing
from forecourt.store.running import Ended
from forecourt.workers.bundle import Item, Report
from forecourt.workers.ending import Ending, end
from forecourt.workers.tail import Tail
from forecourt.workers.verdict import told

LONGEST_RESULT = 16 * 1024
LONGEST_TRACEBACK = 16 * 1024
LONGEST_WORDS = 4000
AFTER_INTERRUPTION = 1.0
NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
"""The character NUL in JSON text, as opposed to a backslash that is followed by u0000."""

ARGS = "SELECT args::text FROM forecourt.running WHERE id = %(id)s AND token = %(token)s"


class SlotSession(Session):
    """The session that a job gets. Committing is the slot's, together with the end of the call."""

    def commit(self) -> NoReturn:
        """Raises: a commit inside the function would tear its effects from the end of its call."""
        raise RuntimeError(
            "a job must not commit the session that it was given: the slot commits it when the job returns"
        )


class _ClaimIsLost(Exception):
    pass


class Execution:
    """Executes bundles in this process, one after the other."""

    def __init__(
        self, jobs: Mapping[str, Job[..., Any]], engine: Callable[[], Engine], tail: Tail | None = None
    ) -> None:
        self._jobs = jobs
        self._engine = engine
        self._tail = tail or Tail()

    def run(self, name: str, items: Sequence[Item]) -> list[Report]:
        """Execute all calls of a bundle. Raises nothing: whatever happens is in the reports, one for each call."""
        job = self._jobs.get(name)
        if job is None:
            return [Report(item.id, Unknown(f"no job is named {name!r} here"), 0.0) for item in items]
        if job.policy.batch is not None:
            return self._run_together(job, list(items))
        return [self._run_one(job, item) for item in items]

    def _run_one(self, job: Job[..., Any], item: Item) -> Report:
        begun = time.perf_counter()
        self._tail.clear()
        outcome = self._attempt(job, [item], _first)
        return Report(item.id, outcome, time.perf_counter() - begun, self._tail.lines())

    def _run_together(self, job: Job[..., Any], items: list[Item]) -> list[Report]:
        """Run a batch; one that raises is halved until the guilty call stands alone."""
        begun = time.perf_counter()
        self._tail.clear()
        outcome = self._attempt(job, items, _columns)
        share = (time.perf_counter() - begun) / len(items)
        if isinstance(outcome, Finished | Interrupted) or len(items) == 1:
            log = self._tail.lines()
            return [Report(item.id, outcome, share, log if item is items[0] else ()) for item in items]
        half = len(items) // 2
        return self._run_together(job, items[:half]) + self._run_together(job, items[half:])

    def _attempt(
        self, job: Job[..., Any], items: Sequence[Item], arrange: Callable[[list[dict[str, Any]]], dict[str, Any]]
    ) -> Outcome:
        first = items[0]
        call = RunningCall(first.id, job.name, first.attempts + 1, first.options, job.extras)
        in_call = current.set(call)
        in_log = doing.set({"job": job.name, "call": first.id, "attempt": call.attempt})
        begun = time.perf_counter()
        try:
            kwargs = arrange([job.arguments.load(self._args(item)) for item in items])
            if not job.takes_session:
                result = surrounded(call, lambda: job.function(**kwargs))
                return FINISHED if result is None else Finished(_result(result))
            with SlotSession(self._engine()) as session:
                result = surrounded(call, lambda: job.function(**kwargs, session=session))
                session.flush()
                text = _result(result)
                self._end(session, items, text, time.perf_counter() - begun)
                Session.commit(session)
                return Finished(text, committed=True)
        except WrongArguments as error:
            return raised(error, final=True)
        except _ClaimIsLost:
            return ClaimLost()
        except Release as release:
            return Released(release.delay, _words(release.why))
        except Discard as discard:
            return Discarded(_words(discard.why))
        except (DBAPIError, psycopg.OperationalError) as error:
            why = _no_fault_of_the_job(error)
            if why is not None and job.takes_session:
                return Interrupted(why, AFTER_INTERRUPTION)
            return raised(error, final=isinstance(error, job.policy.fail_on))
        except BaseException as error:  # noqa: BLE001 - any end of the function is an outcome
            return raised(error, final=isinstance(error, job.policy.fail_on))
        finally:
            doing.reset(in_log)
            current.reset(in_call)

    def _end(self, session: Session, items: Sequence[Item], result: str | None, seconds: float) -> None:
        """End the calls in the session's transaction. Raises _ClaimIsLost unless all of them are still ours."""
        log = told(items[0].attempts, seconds, self._tail.lines())
        endings = [
            Ending(
                Ended(item.id, item.token, seconds, "finished", result, log if item is items[0] else None),
                item.options,
                seconds,
            )
            for item in items
        ]
        if len(end(in_transaction_of(session), endings)) < len(items):
            raise _ClaimIsLost

    def _args(self, item: Item) -> str:
        if item.args is not None:
            return item.args
        with self._engine().connect() as connection:
            tx = in_transaction_of(connection)
            row = tx.execute(ARGS, {"id": item.id, "token": item.token}).fetchone()
        if row is None:
            raise _ClaimIsLost
        return str(row[0])


def raised(error: BaseException, *, final: bool = False) -> Raised:
    """An exception as an outcome, with the end of its traceback."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    text = "".join(traceback.format_exception(error))[-LONGEST_TRACEBACK:]
    return Raised(name, _words(error), clean(text)[-LONGEST_TRACEBACK:], final)


def clean(text: str) -> str:
    """The text as PostgreSQL can store it: without NUL, and with lone surrogates spelled out."""
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()


def _words(said: object) -> str:
    """What somebody said, as far as it can be said and kept."""
    try:
        return clean(str(said))[:LONGEST_WORDS]
    except Exception as error:  # noqa: BLE001 - an exception whose own words raise is still an outcome
        return f"(it has no words: its __str__ raised {type(error).__name__})"


def _first(loaded: list[dict[str, Any]]) -> dict[str, Any]:
    return loaded[0]


def _columns(loaded: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: [call[name] for call in loaded] for name in loaded[0]}


def _result(value: Any) -> str | None:
    """What the function returned, as JSON text; a value that is no JSON or too long is kept as the words for it."""
    if value is None:
        return None
    try:
        text = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        text = orjson.dumps(clean(repr(value))[: LONGEST_RESULT // 8]).decode()
    if len(text) > LONGEST_RESULT:
        text = orjson.dumps(clean(text)[: LONGEST_RESULT // 8] + "…").decode()
    return NUL.sub(r"\1\\\\u0000", text)


def _no_fault_of_the_job(error: DBAPIError | psycopg.OperationalError) -> str | None:
    """Why the transaction was rolled back, if it was by the database's circumstances: running it again is then right."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    state = getattr(origin, "sqlstate", None)
    if state in ("40001", "40P01"):
        return "the transaction lost a deadlock or a serialization conflict"
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    if not lost and not isinstance(origin, psycopg.OperationalError):
        return None
    if state is None or state.startswith("08") or state in ("57P01", "57P02", "57P03"):
        return "the database connection was lost, or could not be made"
    if state.startswith("53"):
        return "the database had no room, no memory or no connection left"
    return None
