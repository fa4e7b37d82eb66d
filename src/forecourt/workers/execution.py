"""Executes a bundle: runs the function, and for a job with a session commits its effects together with the calls' end."""

import re
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson
import psycopg
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from forecourt.database import in_transaction_of
from forecourt.jobs.arguments import WrongArguments
from forecourt.jobs.context import RunningCall, current
from forecourt.jobs.job import Job
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
from forecourt.store import ready
from forecourt.store.running import Ended
from forecourt.workers.attempt import ENDED, JobSession, TransactionEnded, begin, commit, is_within, run, was_ended
from forecourt.workers.bundle import Item, Report, loaded
from forecourt.workers.ending import Ending, end
from forecourt.workers.tail import Tail
from forecourt.workers.verdict import told

LONGEST_RESULT = 16 * 1024
LONGEST_TRACEBACK = 16 * 1024
LONGEST_WORDS = 4000
LONGEST_NAME = 400
AFTER_INTERRUPTION = 1.0
NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
"""The character NUL in JSON text, as opposed to a backslash that is followed by u0000."""


class _ClaimIsLost(Exception):
    pass


class Whole(NamedTuple):
    """A call with all that its attempt needs; `args` is JSON text."""

    id: int
    token: int
    args: str
    attempts: int
    options: dict[str, Any]


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
        outcome = self._attempt(job, [item])
        return Report(item.id, outcome, time.perf_counter() - begun, self._tail.lines())

    def _run_together(self, job: Job[..., Any], items: list[Item]) -> list[Report]:
        """Run a batch; one that raises is halved until the guilty call stands alone."""
        begun = time.perf_counter()
        self._tail.clear()
        outcome = self._attempt(job, items)
        share = (time.perf_counter() - begun) / len(items)
        if isinstance(outcome, Finished | Interrupted) or len(items) == 1 or _is_of_no_half(outcome):
            log = self._tail.lines()
            return [Report(item.id, outcome, share, log if item is items[0] else ()) for item in items]
        half = len(items) // 2
        return self._run_together(job, items[:half]) + self._run_together(job, items[half:])

    def _attempt(self, job: Job[..., Any], items: Sequence[Item]) -> Outcome:
        try:
            calls = [self._whole(item) for item in items]
        except _ClaimIsLost:
            return ClaimLost()
        except (DBAPIError, psycopg.Error) as error:
            return Interrupted(f"its arguments could not be read: {_words(error)}", AFTER_INTERRUPTION)
        return self._execute(job, calls)

    def _execute(self, job: Job[..., Any], items: Sequence[Whole]) -> Outcome:
        first = items[0]
        call = RunningCall(first.id, job.name, first.attempts + 1, first.options, job.extras)
        in_call = current.set(call)
        in_log = doing.set({"job": job.name, "call": first.id, "attempt": call.attempt})
        begun = time.perf_counter()
        try:
            texts = [item.args for item in items]
            if not job.takes_session:
                result = run(job, call, texts, None)
                return FINISHED if result is None else Finished(_result(result))
            with JobSession(self._engine()) as session:
                mark = begin(session)
                connection = in_transaction_of(session)
                try:
                    result = run(job, call, texts, session)
                    session.flush()
                except BaseException as error:
                    if was_ended(connection, mark):
                        raise TransactionEnded(f"{ENDED}; then it raised {type(error).__name__}") from error
                    raise
                text = _result(result)
                self._end(session, mark, items, text, time.perf_counter() - begun)
                commit(session)
                return Finished(text, committed=True)
        except (WrongArguments, TransactionEnded) as error:
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

    def _end(self, session: Session, mark: str, items: Sequence[Whole], result: str | None, seconds: float) -> None:
        """End the calls in the session's transaction. Raises TransactionEnded unless it is the one that was begun for them, and
        _ClaimIsLost unless all of them are still ours."""
        log = told(items[0].attempts, seconds, self._tail.lines())
        endings = [
            Ending(
                Ended(item.id, item.token, seconds, "finished", result, log if item is items[0] else None),
                item.options,
                seconds,
            )
            for item in items
        ]
        tx = in_transaction_of(session)
        if len(end(tx, endings, within=mark)) < len(items):
            raise _ClaimIsLost if is_within(tx, mark) else TransactionEnded(ENDED)

    def _whole(self, item: Item) -> Whole:
        """The call with what was too long to travel."""
        if item.args is not None and item.options is not None:
            return Whole(item.id, item.token, item.args, item.attempts, item.options)
        with self._engine().connect() as connection:
            found = ready.whole(in_transaction_of(connection), [item.id])
        args, options, token = found.get(item.id, ("", "", None))
        if token != item.token:
            raise _ClaimIsLost
        return Whole(item.id, item.token, args, item.attempts, loaded(options))


def _is_of_no_half(outcome: Outcome) -> bool:
    """Whether running a part of the batch again could repeat what is committed already."""
    return isinstance(outcome, Raised) and outcome.error.endswith(TransactionEnded.__qualname__)


def raised(error: BaseException, *, final: bool = False) -> Raised:
    """An exception as an outcome, with the end of its traceback."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return Raised(clean(name)[:LONGEST_NAME], _words(error), _trace(error), final)


def clean(text: str) -> str:
    """The text as PostgreSQL can store it: without NUL, and with lone surrogates spelled out."""
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()


def _trace(error: BaseException) -> str:
    """The end of an exception's traceback; of groups that are nested too deep to be followed, only its own."""
    try:
        text = "".join(traceback.format_exception(error))
    except Exception:  # noqa: BLE001 - whatever it holds, it is an outcome
        text = "".join(traceback.format_tb(error.__traceback__))
    return clean(text[-LONGEST_TRACEBACK:])[-LONGEST_TRACEBACK:]


def _words(said: object, speak: Callable[[object], str] = str) -> str:
    """What somebody said, as far as it can be said and kept."""
    try:
        return clean(speak(said))[:LONGEST_WORDS]
    except Exception as error:  # noqa: BLE001 - an exception whose own words raise is still an outcome
        return f"(it has no words: its __{speak.__name__}__ raised {clean(type(error).__name__)})"


def _result(value: Any) -> str | None:
    """What the function returned, as JSON text; a value that is no JSON or too long is kept as the words for it."""
    if value is None:
        return None
    try:
        text = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        text = orjson.dumps(_words(value, repr)).decode()
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
    if state is None or state.startswith("08") or state in ("57P01", "57P02", "57P03", "57P05"):
        return "the database connection was lost, or could not be made"
    if state.startswith("53"):
        return "the database had no room, no memory or no connection left"
    return None
