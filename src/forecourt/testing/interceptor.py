"""Puts an interceptor in the way of every dispatch of this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import psycopg
from sqlalchemy import Connection
from sqlalchemy.orm import Session

from forecourt.jobs.dispatch import Dispatch, Interceptor, interceptors
from forecourt.store.calls import Placement

_numbers = count(1)


@contextmanager
def intercepted(interceptor: Interceptor) -> Iterator[None]:
    """While the block runs, `interceptor` takes what is dispatched, in whichever thread; the innermost is asked first."""
    interceptors.append(interceptor)
    try:
        yield
    finally:
        interceptors.remove(interceptor)


def checked(dispatch: Dispatch) -> Placement:
    """Where and when calls would have entered. Raises TypeError or ValueError where a real dispatch would, without touching the
    session."""
    if not isinstance(dispatch.session, Session | Connection | psycopg.Connection | None):
        kind = type(dispatch.session).__name__
        raise TypeError(f"session: expected a SQLAlchemy Session or Connection or a psycopg connection, not {kind}")
    return dispatch.placement()


def new_id() -> int:
    """The id of a call that is in no table: negative, so that no row is ever taken for it."""
    return -next(_numbers)
