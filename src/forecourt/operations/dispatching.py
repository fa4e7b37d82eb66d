"""Enters a call by hand: of any job that the application knows, with any arguments that fit it."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from psycopg import Connection

from forecourt.jobs.dispatch import Call
from forecourt.jobs.job import Job
from forecourt.settings import settings
from forecourt.store import audit


class NoSuchJob(LookupError):
    """The application has no job of this name; the message says what was probably meant."""


def dispatch(
    tx: Connection[Any],
    jobs: Mapping[str, Job[..., Any]],
    name: str,
    args: Mapping[str, Any],
    *,
    delay: float | None,
    queue: str | None,
    priority: int | None,
    who: str,
) -> Call:
    """Enter a call, due now or in `delay` seconds. Its arguments are in its row and not in the
    audit. Raises NoSuchJob, WrongArguments, and ValueError for a queue or a priority that cannot
    be.
    """
    if name not in jobs:
        own = [known for known in sorted(jobs) if not known.startswith("forecourt.")]
        close = get_close_matches(name, own, n=2, cutoff=0.5)
        meant = (
            f"Did you mean {' or '.join(close)}?"
            if close
            else f"In {settings().app} there is {', '.join(own) or 'none'}."
        )
        raise NoSuchJob(f"no job is named {name!r}. {meant}")
    call = jobs[name].using(session=tx, delay=delay, queue=queue, priority=priority).dispatch(**args)
    audit.record(tx, who, "queue dispatch", {"job": name, "call": call.id}, int(not call.duplicate))
    return call
