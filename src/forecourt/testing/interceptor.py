"""Puts an interceptor in the way of every dispatch of this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import psycopg
from sqlalchemy import Connection
from sqlalchemy.orm import Session, scoped_session

from forecourt.database.bridge import is_async
from forecourt.database.callers import EXPECTED, is_django
from forecourt.jobs.dispatch import Dispatch, Interceptor, interceptors
from forecourt.store.placement import Placement

_numbers = count(1)


@contextmanager
def intercepted(interceptor: Interceptor) -> Iterator[None]:
    """While the block runs, `interceptor` takes what is dispatched, in whichever thread; the
    innermost is asked first.
    """
    interceptors.append(interceptor)
    try:
        yield
    finally:
        interceptors.remove(interceptor)


def checked(dispatch: Dispatch[...]) -> Placement:
    """Where and when calls would have entered. Raises TypeError or ValueError where a real dispatch
    would, without touching the session."""
    source = dispatch.session
    if not (
        isinstance(source, Session | scoped_session | Connection | psycopg.Connection | None)
        or is_async(source)
        or is_django(source)
    ):
        raise TypeError(f"session: expected {EXPECTED}, not {type(source).__name__}")
    return dispatch.placement()


def new_id() -> int:
    """The id of a call that is in no table: negative, so that no row is ever taken for it."""
    return -next(_numbers)
