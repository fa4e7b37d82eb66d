"""What an attempt leaves to tell, its result or its error: cut to size, and such that PostgreSQL
can store it.
"""

import re
import traceback
from collections.abc import Callable
from typing import Any

import orjson
import psycopg
from sqlalchemy.exc import DBAPIError

from forecourt import tracebacks
from forecourt.jobs.outcome import Raised
from forecourt.store.storable import storable

LONGEST_RESULT = 16 * 1024
LONGEST_TRACEBACK = 16 * 1024
LONGEST_WORDS = 4000
LONGEST_NAME = 400
NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
"""The character NUL in JSON text, as opposed to a backslash that is followed by u0000."""


def raised(error: BaseException, *, final: bool = False) -> Raised:
    """An exception as an outcome, with the end of its traceback."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return Raised(storable(name)[:LONGEST_NAME], words(error), _trace(error), final)


def words(said: object, speak: Callable[[object], str] = str) -> str:
    """What somebody said, as far as it can be said and kept."""
    try:
        return storable(speak(said))[:LONGEST_WORDS]
    except BaseException as error:  # noqa: BLE001 - an exception whose own words raise is still an outcome
        return f"(it has no words: its __{speak.__name__}__ raised {storable(type(error).__name__)})"


class ResultUnusable(TypeError):
    """What a step of a workflow returned cannot be an argument of the next."""


def result_text(value: Any, *, exact: bool = False) -> str | None:
    """What the function returned, as JSON text; a value that is no JSON or too long is kept as the
    words for it. With `exact` that raises ResultUnusable."""
    if value is None:
        return None
    try:
        text = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError as error:
        if exact:
            raise ResultUnusable(f"a later step takes the result, which is no JSON: {words(error)}") from None
        text = orjson.dumps(words(value, repr)).decode()
    if len(text) > LONGEST_RESULT:
        if exact:
            raise ResultUnusable(
                f"a later step takes the result, which has {len(text)} characters; at most {LONGEST_RESULT} are kept: put it into "
                "storage and return its key"
            )
        text = orjson.dumps(storable(text)[: LONGEST_RESULT // 8] + "…").decode()
    return NUL.sub(r"\1\\\\u0000", text)


def sqlstate(error: DBAPIError | psycopg.Error) -> str | None:
    """The database's code for an error, however it was wrapped."""
    state: str | None = getattr(_origin(error), "sqlstate", None)
    return state


def _origin(error: DBAPIError | psycopg.Error) -> BaseException | None:
    return error.orig if isinstance(error, DBAPIError) else error


def circumstances(error: DBAPIError | psycopg.Error) -> str | None:
    """Why the transaction was rolled back, if it was by the database's circumstances: running it
    again is then right.
    """
    origin, state = _origin(error), sqlstate(error)
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


def _trace(error: BaseException) -> str:
    """The end of an exception's traceback; of groups that are nested too deep to be followed, only
    its own.
    """
    try:
        text = tracebacks.of(error)
    except BaseException:  # noqa: BLE001 - whatever it holds, it is an outcome
        text = "".join(traceback.format_tb(error.__traceback__))
    return storable(text[-LONGEST_TRACEBACK:])[-LONGEST_TRACEBACK:]
